/** Owns where alerts go: who is told of which, and when a delivery that failed is tried again. */
import type { Secret } from "#platform/secrets/secret.ts";

export interface AlertDestination {
  readonly name: string;
  /** The organizations whose alerts it is for, by name or id; empty means all. */
  readonly organizations: readonly string[];
}

export interface AlertWebhook extends AlertDestination {
  /** It may hold a token. */
  readonly url: Secret;
  /** `whsec_…`; each signs. */
  readonly secrets: readonly Secret[];
  readonly privateAddress: boolean;
}

/** The name of the destination that is NATS; no webhook has it. */
export const natsDestination = "nats";

export function isFor({ organizations }: AlertDestination, { organizationId, organization }: { readonly organizationId: string; readonly organization: string }): boolean {
  return organizations.length === 0 || organizations.includes(organizationId) || organizations.includes(organization);
}

/** A destination did not take an alert. Its message is for whoever may see the alert, and so tells nothing of the operator's network. */
export class Undelivered extends Error {
  /** It will never take one, and says so. */
  readonly isFinal: boolean;
  /** It asks not to be told again before. */
  readonly retryAfterMs: number;

  constructor(message: string, { isFinal = false, retryAfterMs = 0, cause }: { readonly isFinal?: boolean; readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {}) {
    super(message, { cause });
    this.isFinal = isFinal;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The schedule that the specification of Standard Webhooks gives as an example: ten attempts within three days and a half. */
const retryDelaysSeconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/** Who asks to be left alone for longer is told after that time. */
const longestDelaySeconds = retryDelaysSeconds.at(-1)!;

/** How long to wait after so many attempts, and this wish of the destination's, or undefined when there have been enough. */
export function retryDelayMs(attempts: number, retryAfterMs: number): number | undefined {
  const seconds = retryDelaysSeconds[attempts - 1];
  return seconds === undefined ? undefined : Math.max(seconds * 1_000, Math.min(retryAfterMs, longestDelaySeconds * 1_000));
}
