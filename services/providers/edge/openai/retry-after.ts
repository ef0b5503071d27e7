/** Owns when the vendor says that a retry makes sense. */
import { meantWaitMs, retryAfterMs } from "#platform/http/retry-after.ts";
import { durationMs } from "./duration.ts";

/**
 * Milliseconds to wait, from `retry-after-ms`, `retry-after` (seconds or a date), or the reset of the limit that is used up:
 * `x-ratelimit-reset-requests` and `-tokens`.
 * Undefined when the vendor says nothing.
 */
export function retryAfterMsOf(headers: Readonly<Record<string, string>>): number | undefined {
  return milliseconds(headers["retry-after-ms"]) ?? retryAfterMs(headers) ?? resetOf(headers);
}

function milliseconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d+(\.\d+)?$/.test(value) ? meantWaitMs(Number(value)) : undefined;
}

/** The reset says when a limit is whole again; it matters only for a limit of which nothing remains. */
function resetOf(headers: Readonly<Record<string, string>>): number | undefined {
  const waits = ["requests", "tokens"]
    .filter((limit) => headers[`x-ratelimit-remaining-${limit}`] === "0")
    .flatMap((limit) => durationMs(headers[`x-ratelimit-reset-${limit}`] ?? "") ?? []);
  return waits.length === 0 ? undefined : meantWaitMs(Math.max(...waits));
}
