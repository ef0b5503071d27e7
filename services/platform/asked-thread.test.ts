/** Owns the proof that a thread lives as long as it is asked. */
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { AskedThread } from "./asked-thread.ts";

/** Answers how often it has been asked. */
const counting = 'import { parentPort } from "node:worker_threads"; let asked = 0; parentPort.on("message", () => parentPort.postMessage(++asked)); parentPort.postMessage("listening");';

afterEach(() => void vi.useRealTimers());

function start(): AskedThread<string, number> {
  const thread = new AskedThread<string, number>({ file: new URL(`data:text/javascript,${encodeURIComponent(counting)}`), resourceLimits: {}, withinMs: 60_000, longestWaitMs: 60_000, mostWaiting: 10 });
  onTestFinished(() => thread.stop());
  return thread;
}

test("it is ended when nobody has asked for a minute, and started again by who asks next", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const thread = start();
  expect(await thread.ask("one")).toBe(1);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(await thread.ask("two")).toBe(2);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(await thread.ask("three")).toBe(3);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await thread.ask("four")).toBe(1);
});

test("once it is stopped nobody is answered, and nothing is started", async () => {
  const thread = start();
  const asked = thread.ask("one");
  const refused = expect(asked).rejects.toThrow();
  await thread.stop();
  await refused;
  await expect(thread.ask("two")).rejects.toThrow();
});
