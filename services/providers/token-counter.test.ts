/** Owns the proof that tokens are counted beside requests, and that whatever goes wrong there is told as no count. */
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { expect, onTestFinished, test } from "vitest";
import type { CountedTexts } from "./domain/usage/estimate-usage.ts";
import { TokenCounter } from "./token-counter.ts";

const text = "A weir measures its flow. ".repeat(2_000);
const texts = ask(text);

function ask(content: string, request: Uint8Array = Buffer.from(JSON.stringify({ messages: [{ role: "user", content }] }))): CountedTexts {
  return { request, output: { bytes: Buffer.byteLength(content), form: "text", kept: Buffer.from(content) } };
}

function counterBy(code: string, withinMs?: number): TokenCounter {
  return started(new TokenCounter(new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort } from "node:worker_threads";\n${code}`)}`), withinMs));
}

function started(counter: TokenCounter): TokenCounter {
  onTestFinished(() => counter.stop());
  return counter;
}

test("what is counted is the library's count, and takes this thread none of the time", async () => {
  // A machine that is busy gets all the time that it wants.
  const counter = started(new TokenCounter(undefined, 60_000));
  const before = process.threadCpuUsage();
  const counts = await Promise.all(Array.from({ length: 10 }, () => counter.count(texts)));
  const { user, system } = process.threadCpuUsage(before);
  const tokens = BigInt(countTokens(text));
  expect(counts).toEqual(counts.map(() => ({ request: tokens, output: tokens })));
  // To load the encoding here would take 250 ms at the very least, whatever else the machine does; in microseconds.
  expect(user + system).toBeLessThan(240_000);
});

test.each([
  ["ends before it listens", "process.exit(1);"],
  ["ends when it is asked", 'parentPort.on("message", () => process.exit(1)); parentPort.postMessage("listening");'],
  ["fails when it is asked", 'parentPort.on("message", () => { throw new Error("no"); }); parentPort.postMessage("listening");'],
  ["is late", 'parentPort.on("message", () => undefined); parentPort.postMessage("listening");'],
  ["does not start in time", "for (;;);"],
])("no count where the thread %s", async (_name, code) => {
  expect(await counterBy(code, 300).count(texts)).toBeUndefined();
});

test("a thread that failed is followed by another", async () => {
  const counter = counterBy(`
    parentPort.on("message", ({ output }) => {
      if (output.bytes === 1) process.exit(1);
      parentPort.postMessage({ request: 1n, output: 2n });
    });
    parentPort.postMessage("listening");`, 60_000);
  expect([await counter.count(ask("x")), await counter.count(texts)]).toEqual([undefined, { request: 1n, output: 2n }]);
});

const silent = 'parentPort.on("message", () => undefined); parentPort.postMessage("listening");';

test("no count at once where too much waits, and for all that wait when it is stopped", async () => {
  const counter = counterBy(silent, 60_000);
  const large = Buffer.alloc(32 * 1024 * 1024, "x");
  const waiting = [counter.count(ask("", large)), counter.count(ask("", large))];
  expect(await counter.count(ask("x"))).toBeUndefined();
  await counter.stop();
  expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
  expect(await counter.count(texts)).toBeUndefined();
});

test("no count at once where too many wait", async () => {
  const counter = counterBy(silent, 60_000);
  const waiting = Array.from({ length: 1_000 }, () => counter.count(ask("")));
  expect(await counter.count(ask(""))).toBeUndefined();
  await counter.stop();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set([undefined]));
});
