/** Owns when the vendor says that a retry makes sense. */

/**
 * Milliseconds to wait, from `retry-after-ms`, `retry-after` (seconds or a date), or the reset of the limit that is used up:
 * `x-ratelimit-reset-requests` and `-tokens`, such as `12ms` or `6m0s` (https://developers.openai.com/api/docs/guides/rate-limits).
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

function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return milliseconds(text) === undefined ? undefined : Number(text) * 1000;
  let sum = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(h|ms|m|s)/g)) sum += Number(amount) * unitMs[unit as keyof typeof unitMs];
  return sum;
}

const unitMs = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
