/** Owns times as PostgreSQL reads them. */

/** Further away than these, times have other texts in JavaScript than in PostgreSQL, and nothing happened there. */
const earliestMs = 0;
const latestMs = Date.UTC(9999, 11, 31);

/** For `timestamptz`; a time further away than any that can stand in the database is the last one before it. */
export function timeText(timeMs: number): string {
  return new Date(Math.min(Math.max(timeMs, earliestMs), latestMs)).toISOString();
}
