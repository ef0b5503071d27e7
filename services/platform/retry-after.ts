/** Owns the meaning of the header `retry-after` of a reply (RFC 9110, section 10.2.3). */

/** Milliseconds to wait. A date is compared with the sender's own clock, so that ours need not agree; undefined where nothing can be understood. */
export function retryAfterMs({ "retry-after": value, date }: Readonly<Record<string, string>>): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return Math.ceil(Number(value) * 1_000);
  const waitMs = Date.parse(value) - Date.parse(date ?? "");
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}
