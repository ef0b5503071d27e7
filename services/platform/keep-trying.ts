/** Owns doing again what has failed, after pauses that grow as long as it keeps failing. */
import { setTimeout as pause } from "node:timers/promises";

const firstDelayMs = 50;
const longestDelayMs = 5_000;

export interface KeepTryingOptions {
  /** Ends it; what fails afterwards is not told. */
  readonly signal: AbortSignal;
  readonly onFailure: (error: unknown, retryInMs: number) => void;
}

/** Does the work over and over until the signal fires. After a failure it waits 50 ms, then twice as long each time up to 5 s, until the work says that it goes well again. */
export async function keepTrying(work: (goesWell: () => void) => Promise<void>, { signal, onFailure }: KeepTryingOptions): Promise<void> {
  let delayMs = firstDelayMs;
  const goesWell = (): void => {
    delayMs = firstDelayMs;
  };
  while (!signal.aborted) {
    try {
      await work(goesWell);
    } catch (error) {
      if (signal.aborted) return;
      onFailure(error, delayMs);
      await pause(delayMs, undefined, { signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, longestDelayMs);
    }
  }
}
