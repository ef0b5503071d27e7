/** Owns saying that all is well in a stream whose messages are rare: who hears nothing of it knows that its sender stands still. */
import { durationMs, type Duration } from "@bufbuild/protobuf/wkt";

export interface HeartbeatOptions<T> {
  /** How long nothing is said at most; absent means for ever. */
  readonly interval: Duration | undefined;
  readonly heartbeat: T;
  /** The messages proper, which end when the signal fires. */
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

export async function* withHeartbeats<T>({ interval, heartbeat, open, signal }: HeartbeatOptions<T>): AsyncGenerator<T, void> {
  if (interval === undefined) {
    yield* open(signal);
    return;
  }
  const ending = new AbortController();
  const messages = open(AbortSignal.any([signal, ending.signal]))[Symbol.asyncIterator]();
  let woken = Promise.withResolvers<void>();
  let arrived: Promise<IteratorResult<T>> | undefined;
  // Not a race of the message with a timer: each would leave something behind at the message, which may be days away.
  const ask = (): void => {
    const next = messages.next();
    const arrive = (): void => {
      arrived = next;
      woken.resolve();
    };
    next.then(arrive, arrive);
  };
  const timer = setInterval(() => woken.resolve(), durationMs(interval));
  try {
    for (ask(); ; ) {
      await woken.promise;
      woken = Promise.withResolvers();
      if (arrived === undefined) {
        yield heartbeat;
        continue;
      }
      const { done, value } = await arrived;
      arrived = undefined;
      if (done === true) return;
      yield value;
      ask();
    }
  } finally {
    clearInterval(timer);
    ending.abort();
    await messages.return?.();
  }
}
