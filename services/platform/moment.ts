/** Owns reading a moment as people and vendors write it. */

/**
 * A date (midnight UTC) or an RFC 3339 time, in milliseconds since 1970; NaN for anything else. A day that its month does not have is none: JavaScript takes
 * 2026-02-31 for the third of March, and texts of other forms by the zone of the machine.
 */
export function momentMs(text: string): number {
  const [, date] = /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$/.exec(text) ?? [];
  if (date === undefined) return Number.NaN;
  const midnightMs = Date.parse(date);
  const isOnCalendar = !Number.isNaN(midnightMs) && new Date(midnightMs).toISOString().startsWith(date);
  return isOnCalendar ? Date.parse(text) : Number.NaN;
}
