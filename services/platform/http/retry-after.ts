/** Owns the meaning of the header `retry-after` of a reply (RFC 9110, section 10.2.3), and how long a wait can be meant at all. */

/** What is longer is a fault of the sender's, or harm, and would not fit what tells callers of it. */
const longestWaitMs = 366 * 24 * 3_600_000;

/** Milliseconds to wait. A date is compared with the sender's own clock, so that ours need not agree; undefined where nothing can be understood. */
export function retryAfterMs({ "retry-after": value, date }: Readonly<Record<string, string>>): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return meantWaitMs(Math.ceil(Number(value) * 1_000));
  const waitMs = dateMs(value) - dateMs(date ?? "");
  return Number.isNaN(waitMs) ? undefined : meantWaitMs(Math.max(0, waitMs));
}

/** Undefined where nobody can mean to wait so long. */
export function meantWaitMs(waitMs: number): number | undefined {
  return waitMs <= longestWaitMs ? waitMs : undefined;
}

/** Dates begin with the day of the week; JavaScript would take `-5` for one, too. */
function dateMs(text: string): number {
  return /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : NaN;
}
