/** Owns how long sessions at the console last, and how many there are. */

/** A working day: who signs in in the morning is not asked again before the evening. */
export const longestSessionMs = 8 * 3_600_000;
/** How long it may go unused: for what is left open on a desk. */
export const longestIdleMs = 3_600_000;
/** How exactly its last use is noted, so that not every call is a write. */
export const noteUseEveryMs = 60_000;
/** Of one key at one time; one more ends the one that was not used for longest. */
export const mostSessionsOfKey = 20;
