/** Owns remembering for a short time which secrets policy did not know, so that whoever guesses keys does not ask policy each time. */
import type { Clock } from "#platform/clock.ts";

/** A key made meanwhile is pushed, and taken off at once; this bounds what happens while no push comes through. */
export const unknownForMs = 10_000;
/** Beyond it the oldest is forgotten. */
export const mostUnknown = 10_000;

export class UnknownSecrets {
  readonly #clock: Clock;
  /** By digest, oldest first: when it is to be asked for again. */
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(digest: string): boolean {
    const untilMs = this.#until.get(digest);
    return untilMs !== undefined && untilMs > this.#clock.monotonicMs();
  }

  add(digest: string): void {
    this.#until.delete(digest);
    this.#until.set(digest, this.#clock.monotonicMs() + unknownForMs);
    if (this.#until.size > mostUnknown) this.#until.delete(this.#until.keys().next().value!);
  }

  delete(digest: string): void {
    this.#until.delete(digest);
  }

  clear(): void {
    this.#until.clear();
  }
}
