/** Owns following what a peer pushes: a stream that starts with everything and goes on with changes, opened again when it breaks or falls silent. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";

/** What is pushed: it says of itself where it is a mere sign of life, which is not applied. */
interface Pushed {
  readonly $typeName: string;
  readonly heartbeat?: boolean;
}

export interface FollowOptions<T extends Pushed> {
  /** What is followed, for the log. */
  readonly name: string;
  /** The peer is to send heartbeats, as often as `heartbeatInterval` says or more. */
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  readonly apply: (message: T) => void;
  readonly logger: Logger;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

/** A few of them fit into the time after which silence is taken for a standstill. */
export const heartbeatInterval = durationFromMs(1_000);
const firstDelayMs = 50;
const longestDelayMs = 5_000;
/** A stream of which nothing comes for so long is left, for that of another instance: its sender may stand still, and nobody would hear of changes. */
const mostSilentMs = 3_000;
/** Several, so that where this process itself stood still, what lies unread is heard between two of them. */
const looksAtSilence = 3;

/** Resolves when the first message has been applied; goes on until the signal fires. */
export function followView<T extends Pushed>(options: FollowOptions<T>): Promise<void> {
  return new Promise((resolve) => void follow(options, resolve));
}

async function follow<T extends Pushed>({ name, open, apply, logger, signal }: FollowOptions<T>, onFirst: () => void): Promise<void> {
  let delayMs = firstDelayMs;
  let wasSilent = false;
  while (!signal.aborted) {
    const silence = new Silence();
    const ending = AbortSignal.any([signal, silence.signal]);
    try {
      for await (const message of wasSilent ? firstToSpeak(open, ending) : open(ending)) {
        silence.heard();
        delayMs = firstDelayMs;
        if (message.heartbeat === true) continue;
        apply(message);
        onFirst();
      }
      silence.signal.throwIfAborted();
      // Its sender stops, which says nothing against the one that answers next, nor of how long nothing changes.
      delayMs = firstDelayMs;
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ view: name, error, retryInMs: delayMs }, "a pushed view broke off; the last one is kept");
    } finally {
      silence.stop();
      wasSilent = silence.signal.aborted;
    }
    await pause(delayMs, signal);
    delayMs = Math.min(delayMs * 2, longestDelayMs);
  }
}

/** Enough that one of them most likely has another instance, where there is one, than that which stands still. */
const openedAfterSilence = 4;

/** Opens several, of which the first one that says anything is kept, or ends this one too by its end in order. Throws what one of them threw, where all fail. */
async function* firstToSpeak<T>(open: (signal: AbortSignal) => AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const streams = Array.from({ length: openedAfterSilence }, () => {
    const ending = new AbortController();
    const messages = open(AbortSignal.any([signal, ending.signal]))[Symbol.asyncIterator]();
    return { ending, messages, first: messages.next() };
  });
  try {
    const spoken = streams.map(async (stream) => ({ stream, result: await stream.first }));
    const { stream, result } = await Promise.any(spoken).catch(({ errors }: AggregateError) => Promise.reject(errors[0] as Error));
    for (const { ending } of streams.filter((other) => other !== stream)) ending.abort();
    if (result.done === true) return;
    yield result.value;
    yield* { [Symbol.asyncIterator]: () => stream.messages };
  } finally {
    for (const { ending } of streams) ending.abort();
  }
}

/** A process that stands still, or whose network is cut, breaks nothing off: it only says nothing. */
class Silence {
  readonly #controller = new AbortController();
  readonly #timer = setInterval(() => this.#look(), mostSilentMs / looksAtSilence);
  #looks = 0;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    this.#looks = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#looks++;
    if (this.#looks >= looksAtSilence) this.#controller.abort(new GatewayError("DEPENDENCY_UNAVAILABLE", `Nothing was heard for ${mostSilentMs} ms: the peer stands still, or cannot be reached.`));
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
