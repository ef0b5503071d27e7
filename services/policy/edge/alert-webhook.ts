/** Owns an alert as a signed POST, and what its answer means. */
import type { Exchange, ExchangeReply } from "#platform/egress/egress-exchange.ts";
import { retryAfterMs } from "#platform/http/retry-after.ts";
import { webhookHeaders } from "#platform/http/standard-webhook.ts";
import { Undelivered, type AlertWebhook } from "../domain/alert-destination.ts";
import type { AlertMessage } from "../domain/alert-message.ts";

// The specification recommends 15 to 30 s.
const timeoutMs = 15_000;

/** Resolves when the other side has taken it. Throws Undelivered. */
export async function postAlert({ url, secrets }: AlertWebhook, { id, body }: AlertMessage, nowMs: number, exchange: Exchange, signal: AbortSignal): Promise<void> {
  const headers = webhookHeaders({ id, body }, secrets, nowMs);
  const timeout = AbortSignal.timeout(timeoutMs);
  const reply = await exchange({ method: "POST", url: url.reveal(), headers, body, ignoresReplyBody: true }, AbortSignal.any([signal, timeout])).catch((error: unknown) => {
    throw new Undelivered(timeout.aborted ? `it did not answer within ${timeoutMs / 1_000} s` : "it cannot be reached; the log of policy says why", { cause: error });
  });
  checkReply(reply);
}

function checkReply({ status, headers }: ExchangeReply): void {
  if (status >= 200 && status < 300) return;
  // Gone: it wants no more of them.
  throw new Undelivered(`it answered with status ${status}`, { isFinal: status === 410, retryAfterMs: retryAfterMs(headers) });
}
