/** Owns following what a peer pushes: a stream that starts with everything and goes on with changes, opened again when it breaks. */
import type { Logger } from "./logger.ts";

export interface FollowOptions<T> {
  /** What is followed, for the log. */
  readonly name: string;
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  readonly apply: (message: T) => void;
  readonly logger: Logger;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

const firstDelayMs = 50;
const longestDelayMs = 5_000;

/** Resolves when the first message has been applied; goes on until the signal fires. */
export function followView<T>(options: FollowOptions<T>): Promise<void> {
  return new Promise((resolve) => void follow(options, resolve));
}

async function follow<T>({ name, open, apply, logger, signal }: FollowOptions<T>, onFirst: () => void): Promise<void> {
  let delayMs = firstDelayMs;
  while (!signal.aborted) {
    try {
      for await (const message of open(signal)) {
        apply(message);
        onFirst();
        delayMs = firstDelayMs;
      }
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ view: name, error, retryInMs: delayMs }, "a pushed view broke off; the last one is kept");
    }
    await pause(delayMs, signal);
    delayMs = Math.min(delayMs * 2, longestDelayMs);
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, delayMs);
    signal.addEventListener("abort", finish);
  });
}
