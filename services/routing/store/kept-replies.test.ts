import fc from "fast-check";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { systemClock } from "#platform/clock.ts";
import { KeptReplies } from "./kept-replies.ts";

const bounds = { maximumBytes: 65_536, maximumEntryBytes: 16_384 };

function start() {
  let nowMs = 0;
  const metrics = new Registry();
  const replies = new KeptReplies(bounds, { ...systemClock, monotonicMs: () => nowMs }, metrics);
  const keep = (key: string, ...sizes: number[]): void => {
    const incoming = replies.receive(key);
    for (const size of sizes) incoming.add(new Uint8Array(size));
    incoming.keep();
    incoming.drop();
  };
  const figure = async (name: string): Promise<number> => (await metrics.getSingleMetric(name)!.get()).values.reduce((sum, { value }) => sum + value, 0);
  return { replies, keep, figure, pass: (ms: number) => (nowMs += ms) };
}

test("a reply is found until it is too old", () => {
  const { replies, keep, pass } = start();
  keep("a", 3, 4);
  pass(999);
  expect(replies.find("a", 1_000)).toMatchObject({ ageMs: 999, bytes: { length: 7 } });
  pass(1);
  expect(replies.find("a", 1_000)).toBeUndefined();
  expect(replies.find("a", Infinity)).toBeDefined();
  expect(replies.find("b", Infinity)).toBeUndefined();
});

test("whatever is kept, it stays within its bytes, and what was asked for last stays", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.nat(9_000), { maxLength: 4 }), { minLength: 1, maxLength: 60 }), async (sizes) => {
      const { replies, keep, figure } = start();
      let last = -1;
      sizes.forEach((parts, index) => {
        keep(String(index), ...parts);
        if (parts.reduce((sum, size) => sum + size, 0) <= bounds.maximumEntryBytes) last = index;
      });
      expect(await figure("weir_cache_bytes")).toBeLessThanOrEqual(bounds.maximumBytes * 0.75);
      if (last >= 0) expect(replies.find(String(last), Infinity)).toBeDefined();
    }),
    { numRuns: 50 },
  );
});

test("replies on their way in have a room of their own, which each gives back", async () => {
  const { replies, keep, figure } = start();
  const first = replies.receive("first");
  expect(first.add(new Uint8Array(16_000))).toBe(true);
  const second = replies.receive("second");
  expect(second.add(new Uint8Array(1_000))).toBe(false);
  second.keep();
  expect(replies.find("second", Infinity)).toBeUndefined();
  first.drop();
  keep("third", 1_000);
  expect(replies.find("third", Infinity)).toBeDefined();
  expect(await figure("weir_cache_unkept_total")).toBe(1);
});

test("other bounds begin with nothing, and without bounds nothing is kept", () => {
  const { replies, keep } = start();
  keep("a", 5);
  replies.configure({ ...bounds });
  expect(replies.find("a", Infinity)).toBeDefined();
  replies.configure(undefined);
  keep("a", 5);
  expect(replies.find("a", Infinity)).toBeUndefined();
  replies.configure(bounds);
  expect(replies.find("a", Infinity)).toBeUndefined();
  keep("a", 5);
  expect(replies.find("a", Infinity)).toBeDefined();
});
