/** Owns how soon targets begin their replies, as this process has measured it lately. */
import type { Clock } from "#platform/clock.ts";
import type { LatencySource } from "../domain/pipeline.ts";
import type { Latency } from "../domain/targets/target-order.ts";

/** What was measured so long ago counts a third of what is measured now. */
const memoryMs = 10_000;

/** A target that was not tried for so long may have become another. */
const dueAfterMs = 30_000;

interface Measured {
  ms: number | undefined;
  measuredAtMs: number;
  triedAtMs: number;
}

export class TargetLatencies implements LatencySource {
  readonly #clock: Clock;
  /** Of targets of routes alone, of which there are few. */
  readonly #byName = new Map<string, Measured>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(target: string, isStream: boolean): Latency {
    const measured = this.#byName.get(nameOf(target, isStream));
    if (measured === undefined) return { ms: undefined, isDue: true };
    return { ms: measured.ms, isDue: this.#clock.monotonicMs() - measured.triedAtMs >= dueAfterMs };
  }

  claim(target: string, isStream: boolean): void {
    this.#tried(target, isStream);
  }

  begin(target: string, isStream: boolean): (hasBegun: boolean) => void {
    const measured = this.#tried(target, isStream);
    const { triedAtMs } = measured;
    return (hasBegun) => {
      const nowMs = this.#clock.monotonicMs();
      const tookMs = nowMs - triedAtMs;
      // Of what did not begin it says one thing: how long that took at least. A quick failure is no quick reply.
      if (!hasBegun && !(measured.ms !== undefined && tookMs > measured.ms)) return;
      measured.ms = averaged(measured, tookMs, nowMs);
      measured.measuredAtMs = nowMs;
    };
  }

  #tried(target: string, isStream: boolean): Measured {
    const triedAtMs = this.#clock.monotonicMs();
    const name = nameOf(target, isStream);
    const measured = this.#byName.get(name) ?? { ms: undefined, measuredAtMs: triedAtMs, triedAtMs };
    measured.triedAtMs = triedAtMs;
    this.#byName.set(name, measured);
    return measured;
  }
}

/** As many a second as there are, the latest ten seconds count: by time, not by number. */
function averaged({ ms, measuredAtMs }: Measured, tookMs: number, nowMs: number): number {
  if (ms === undefined) return tookMs;
  const kept = Math.exp((measuredAtMs - nowMs) / memoryMs);
  return ms * kept + tookMs * (1 - kept);
}

/** A whole reply begins when it is all there, so that it is compared with its like alone. */
function nameOf(target: string, isStream: boolean): string {
  return `${isStream ? "stream" : "whole"} ${target}`;
}
