/** Owns values that are made when they are first asked for, and then stay. */

export function once<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => (value ??= make());
}
