/** Owns leaving out the members of an object that are undefined: to optional properties "maybe undefined" and "absent" are not the same. */

type Defined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** The object without the members that are undefined. */
export function definedMembers<T extends object>(members: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<Defined<T>>;
}
