/** Owns when the vendor says that a retry makes sense. */
import { durationMs } from "./duration.ts";

/**
 * Milliseconds to wait, from `retry-after-ms`, `retry-after` (seconds or a date), or the reset of the limit that is used up:
 * `x-ratelimit-reset-requests` and `-tokens`.
 * Undefined when the vendor says nothing.
 */
export function retryAfterMsOf(headers: Readonly<Record<string, string>>): number | undefined {
  return milliseconds(headers["retry-after-ms"]) ?? secondsOrDate(headers["retry-after"], headers["date"]) ?? resetOf(headers);
}

function milliseconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}

/** A date is compared with the vendor's own clock, so that ours need not agree. */
function secondsOrDate(value: string | undefined, vendorDate: string | undefined): number | undefined {
  const seconds = milliseconds(value);
  if (seconds !== undefined) return seconds * 1000;
  const waitMs = Date.parse(value ?? "") - Date.parse(vendorDate ?? "");
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/** The reset says when a limit is whole again; it matters only for a limit of which nothing remains. */
function resetOf(headers: Readonly<Record<string, string>>): number | undefined {
  const waits = ["requests", "tokens"]
    .filter((limit) => headers[`x-ratelimit-remaining-${limit}`] === "0")
    .flatMap((limit) => durationMs(headers[`x-ratelimit-reset-${limit}`] ?? "") ?? []);
  return waits.length === 0 ? undefined : Math.max(...waits);
}
