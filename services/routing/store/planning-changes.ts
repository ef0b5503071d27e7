/** Owns when what calls are planned by was changed: routes and providers come from processes of their own, each of which reads a changed configuration by itself. */
import { setTimeout as pause } from "node:timers/promises";
import type { Clock } from "#platform/clock.ts";

/** After a change the others are awaited for so long; a process looks at its file every second. */
export const settledAfterMs = 5_000;
/** Not every change is told: of several processes of providers, routing follows one. */
const lookAgainMs = 250;

export class PlanningChanges {
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  #next = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(): void {
    this.#lastMs = this.#clock.monotonicMs();
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Resolves with true after the next change, or when it is worth to look again; with false where all has settled, or the signal fires. */
  async next(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted || this.#clock.monotonicMs() - this.#lastMs >= settledAfterMs) return false;
    const changed = new AbortController();
    const passed = pause(lookAgainMs, undefined, { signal: AbortSignal.any([signal, changed.signal]) }).catch(() => undefined);
    await Promise.race([this.#next.promise, passed]);
    changed.abort();
    return !signal.aborted;
  }
}
