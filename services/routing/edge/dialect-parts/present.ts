/** Owns the one step between "maybe undefined" and "absent", which exact optional properties tell apart. */

type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** The object without the members that are undefined. */
export function present<T extends object>(members: T): Partial<Present<T>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<Present<T>>;
}
