import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../logger.ts";
import { withHeartbeats } from "./heartbeats.ts";
import { followView, heartbeatInterval } from "./pushed-view.ts";

interface Message {
  readonly $typeName: "message";
  readonly heartbeat: boolean;
  readonly text: string;
}

const beat: Message = { $typeName: "message", heartbeat: true, text: "" };
/** More than a stream may say nothing for. */
const longMs = 4_500;

test("a stream in which nothing happens is kept while its heartbeats come, of which none is applied, and left when they end", { timeout: 30_000 }, async () => {
  const { applied, opened } = follow((opening, signal) => withHeartbeats({ interval: opening === 0 ? heartbeatInterval : undefined, heartbeat: beat, open: () => once(`of ${opening}`, signal), signal }));
  await sleep(longMs);
  expect(opened()).toBe(1);
  expect(applied).toEqual(["of 0"]);

  const silent = follow((opening, signal) => once(`of ${opening}`, signal));
  await expect.poll(() => silent.applied, { timeout: 20_000 }).toEqual(["of 0", "of 1"]);
});

test("after a silence the first to speak of several is kept, and the others are let go of, as one alone may come from the same instance", { timeout: 30_000 }, async () => {
  const letGo = new Set<number>();
  const { applied, opened } = follow((opening, signal) => {
    signal.addEventListener("abort", () => letGo.add(opening));
    return opening % 4 === 0 ? once(`of ${opening}`, signal) : silence(signal);
  });
  await expect.poll(() => applied, { timeout: 20_000 }).toEqual(["of 0", "of 4"]);
  expect(opened()).toBe(5);
  expect(letGo).toEqual(new Set([0, 1, 2, 3]));
});

test("streams that end in order without a message are opened again at once, however many did, so that a change is not waited for", async () => {
  const startMs = performance.now();
  const { applied } = follow((opening, signal) => (opening < 8 ? nothing() : once(`of ${opening}`, signal)));
  await expect.poll(() => applied, { timeout: 20_000 }).toEqual(["of 8"]);
  expect(performance.now() - startMs).toBeLessThan(5_000);
});

test("what a stream waits for is let go of when its reader leaves between two messages", async () => {
  let ended = false;
  const messages = withHeartbeats({
    interval: heartbeatInterval,
    heartbeat: beat,
    async *open(signal) {
      try {
        yield* once("first", signal);
      } finally {
        ended = true;
      }
    },
    signal: new AbortController().signal,
  });
  expect((await messages.next()).value).toMatchObject({ text: "first" });
  expect((await messages.next()).value).toBe(beat);
  await messages.return();
  expect(ended).toBe(true);
});

async function* nothing(): AsyncGenerator<Message> {}

/** Nothing until the signal fires. */
function silence(signal: AbortSignal): AsyncIterable<Message> {
  return { [Symbol.asyncIterator]: () => ({ next: () => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))) }) };
}

/** One message, and then nothing until the signal fires. */
async function* once(text: string, signal: AbortSignal): AsyncGenerator<Message> {
  yield { $typeName: "message", heartbeat: false, text };
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
}

function follow(open: (opening: number, signal: AbortSignal) => AsyncIterable<Message>) {
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const applied: string[] = [];
  let openings = 0;
  void followView({ name: "test", open: (signal) => open(openings++, signal), apply: ({ text }) => applied.push(text), logger: createLogger("silent"), signal: ending.signal });
  return { applied, opened: () => openings };
}
