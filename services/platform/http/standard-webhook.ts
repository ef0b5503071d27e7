/**
 * Owns the headers by which whoever gets a POST of Weir knows that it is from Weir, new, and untouched: those of Standard Webhooks 1.0.0,
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
 */
import { createHmac } from "node:crypto";
import type { Secret } from "../secrets/secret.ts";

export interface WebhookMessage {
  /** Without a full stop; the same when the same message is sent again. */
  readonly id: string;
  readonly body: string;
}

/** Secrets are `whsec_` and the key in base64; each signs, so that one can take the place of another. */
export function webhookHeaders({ id, body }: WebhookMessage, secrets: readonly Secret[], nowMs: number): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signatures = secrets.map((secret) => `v1,${createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest("base64")}`);
  return { "content-type": "application/json", "user-agent": "weir", "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

function keyOf(secret: Secret): Buffer {
  return Buffer.from(secret.reveal().slice("whsec_".length), "base64");
}
