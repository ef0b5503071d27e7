/** Owns values that are made when they are first asked for, and are the same ever after. */

export function lazyValue<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => (value ??= make());
}
