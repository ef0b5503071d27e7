/** Owns following what a peer pushes: a stream that starts with everything and goes on with changes, opened again when it breaks or falls silent. */
import { GatewayError } from "./errors.ts";
import type { Logger } from "./logger.ts";

export interface FollowOptions<T> {
  /** What is followed, for the log. */
  readonly name: string;
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  readonly apply: (message: T) => void;
  /** A stream of which nothing comes for so long is left, for that of another instance; absent where silence says nothing. */
  readonly mostSilentMs?: number;
  readonly logger: Logger;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

const firstDelayMs = 50;
const longestDelayMs = 5_000;
/** Several, so that where this process itself stood still, what lies unread is heard between two of them. */
const looksAtSilence = 3;

/** Resolves when the first message has been applied; goes on until the signal fires. */
export function followView<T>(options: FollowOptions<T>): Promise<void> {
  return new Promise((resolve) => void follow(options, resolve));
}

async function follow<T>({ name, open, apply, mostSilentMs, logger, signal }: FollowOptions<T>, onFirst: () => void): Promise<void> {
  let delayMs = firstDelayMs;
  while (!signal.aborted) {
    const silence = new Silence(mostSilentMs);
    try {
      for await (const message of open(AbortSignal.any([signal, silence.signal]))) {
        silence.heard();
        apply(message);
        onFirst();
        delayMs = firstDelayMs;
      }
      silence.signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ view: name, error, retryInMs: delayMs }, "a pushed view broke off; the last one is kept");
    } finally {
      silence.stop();
    }
    await pause(delayMs, signal);
    delayMs = Math.min(delayMs * 2, longestDelayMs);
  }
}

/** A process that stands still, or whose network is cut, breaks nothing off: it only says nothing. */
class Silence {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  #looks = 0;

  constructor(mostMs: number | undefined) {
    if (mostMs !== undefined) this.#timer = setInterval(() => this.#look(mostMs), mostMs / looksAtSilence);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    this.#looks = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(mostMs: number): void {
    this.#looks++;
    if (this.#looks >= looksAtSilence) this.#controller.abort(new GatewayError("DEPENDENCY_UNAVAILABLE", `Nothing was heard for ${mostMs} ms: the peer stands still, or cannot be reached.`));
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
