/** Owns a value that can change while Weir runs (configuration, views pushed by a peer). */

export interface LiveValue<T> {
  readonly current: T;
  /** Calls back after each change, until the returned function is called. */
  subscribe(listener: (value: T) => void): () => void;
}

export class MutableLiveValue<T> implements LiveValue<T> {
  #current: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(initial: T) {
    this.#current = initial;
  }

  get current(): T {
    return this.#current;
  }

  set(value: T): void {
    this.#current = value;
    for (const listener of this.#listeners) listener(value);
  }

  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** A part of a live value, read anew after each change. */
export function deriveLive<T, Part>(source: LiveValue<T>, read: (value: T) => Part): LiveValue<Part> {
  const part = new MutableLiveValue(read(source.current));
  source.subscribe((value) => part.set(read(value)));
  return part;
}
