import fc from "fast-check";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { systemClock } from "#platform/clock.ts";
import type { MeaningPlace } from "../domain/cache/call-cache.ts";
import type { Meaning } from "../domain/cache/meaning.ts";
import { unitVector } from "../domain/cache/similarity.ts";
import { KeptReplies } from "./kept-replies.ts";

const bounds = { maximumBytes: 65_536, maximumEntryBytes: 16_384 };

function start() {
  let nowMs = 0;
  const metrics = new Registry();
  const replies = new KeptReplies(bounds, { ...systemClock, monotonicMs: () => nowMs }, metrics);
  const keepAt = (place: MeaningPlace | undefined, key: string, ...sizes: number[]): void => {
    const incoming = replies.receive(key, place);
    for (const size of sizes) incoming.add(new Uint8Array(size));
    incoming.keep();
    incoming.drop();
  };
  const keep = (key: string, ...sizes: number[]): void => keepAt(undefined, key, ...sizes);
  const figure = async (name: string): Promise<number> => (await metrics.getSingleMetric(name)!.get()).values.reduce((sum, { value }) => sum + value, 0);
  return { replies, keep, keepAt, figure, pass: (ms: number) => (nowMs += ms) };
}

test("a reply is found until it is too old", async () => {
  const { replies, keep, pass } = start();
  keep("a", 3, 4);
  pass(999);
  expect(await replies.find("a", 1_000)).toMatchObject({ ageMs: 999, bytes: { length: 7 } });
  pass(1);
  expect(await replies.find("a", 1_000)).toBeUndefined();
  expect(await replies.find("a", Infinity)).toBeDefined();
  expect(await replies.find("b", Infinity)).toBeUndefined();
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
      if (last >= 0) expect(await replies.find(String(last), Infinity)).toBeDefined();
    }),
    { numRuns: 50 },
  );
});

test("replies on their way in have a room of their own, which each gives back", async () => {
  const { replies, keep, figure } = start();
  const first = replies.receive("first", undefined);
  expect(first.add(new Uint8Array(16_000))).toBe(true);
  const second = replies.receive("second", undefined);
  expect(second.add(new Uint8Array(1_000))).toBe(false);
  second.keep();
  expect(await replies.find("second", Infinity)).toBeUndefined();
  first.drop();
  keep("third", 1_000);
  expect(await replies.find("third", Infinity)).toBeDefined();
  expect(await figure("weir_cache_unkept_total")).toBe(1);
});

test("other bounds begin with nothing, and without bounds nothing is kept", async () => {
  const { replies, keep } = start();
  keep("a", 5);
  replies.configure({ ...bounds });
  expect(await replies.find("a", Infinity)).toBeDefined();
  replies.configure(undefined);
  keep("a", 5);
  expect(await replies.find("a", Infinity)).toBeUndefined();
  replies.configure(bounds);
  expect(await replies.find("a", Infinity)).toBeUndefined();
  keep("a", 5);
  expect(await replies.find("a", Infinity)).toBeDefined();
});

interface Shared {
  /** What the others have, with its age. */
  readonly found: Map<string, number>;
  readonly asked: string[];
  readonly put: string[];
  /** While a look is under way. */
  onLook: () => void;
}

function startShared() {
  let nowMs = 0;
  const shared: Shared = { found: new Map(), asked: [], put: [], onLook: () => undefined };
  const replies = new KeptReplies(bounds, { ...systemClock, monotonicMs: () => nowMs }, new Registry(), {
    find: async (key, maximumAgeMs) => {
      shared.asked.push(key);
      await settled();
      shared.onLook();
      const ageMs = shared.found.get(key) ?? Infinity;
      return ageMs < maximumAgeMs ? { bytes: Buffer.from("shared"), ageMs } : undefined;
    },
    put: (key) => shared.put.push(key),
  });
  const keep = (key: string, bytes: Uint8Array = Buffer.from("here")): void => {
    const incoming = replies.receive(key, undefined);
    incoming.add(bytes);
    incoming.keep();
    incoming.drop();
  };
  return { replies, shared, keep, pass: (ms: number) => (nowMs += ms) };
}

test("what is not here is looked for among what is shared, and is here from then on, as old as it is", async () => {
  const { replies, shared, keep, pass } = startShared();
  keep("mine");
  shared.found.set("mine", 5).set("theirs", 300);
  expect((await replies.find("mine", 1_000))!.bytes).toEqual(Buffer.from("here"));
  expect(shared.asked).toEqual([]);
  expect(await replies.find("theirs", 300)).toBeUndefined();
  expect(await replies.find("theirs", 1_000)).toEqual({ bytes: Buffer.from("shared"), ageMs: 300 });
  pass(699);
  expect(await replies.find("theirs", 1_000)).toMatchObject({ ageMs: 999 });
  expect(shared.asked).toEqual(["theirs", "theirs"]);
  expect(await replies.find("nobody's", 1_000)).toBeUndefined();
});

test("what is kept here is shared, what is not is not, nor what was shared", async () => {
  const { replies, shared, keep } = startShared();
  shared.found.set("theirs", 5);
  await replies.find("theirs", 1_000);
  keep("large", new Uint8Array(bounds.maximumEntryBytes + 1));
  keep("small");
  expect(shared.put).toEqual(["small"]);
});

test("a reply that was kept here while the other was looked for stays", async () => {
  const { replies, shared, keep } = startShared();
  shared.found.set("a", 5);
  shared.onLook = () => keep("a");
  await replies.find("a", 1_000);
  expect((await replies.find("a", 1_000))!.bytes).toEqual(Buffer.from("here"));
});

test("what was kept before all was forgotten is not taken from what is shared either", async () => {
  const { replies, shared, pass } = startShared();
  shared.found.set("before", 500).set("after", 50);
  replies.configure(undefined);
  pass(100);
  replies.configure(bounds);
  expect(await replies.find("before", 1_000)).toBeUndefined();
  expect(await replies.find("after", 1_000)).toBeDefined();
});

const meaning = (...values: number[]): Meaning => ({ space: "up/e", vector: unitVector(values)! });
const placeOf = (frame: string, ...values: number[]): MeaningPlace => ({ frame, meaning: () => Promise.resolve(meaning(...values)) });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a reply is found by meaning in its frame alone, until it is too old", async () => {
  const { replies, keepAt, figure, pass } = start();
  keepAt(placeOf("frame", 1, 0), "a", 3);
  keepAt({ frame: "frame", meaning: () => Promise.resolve(undefined) }, "b", 3);
  await settled();
  pass(999);
  expect(replies.findSimilar("frame", meaning(2, 0.1), 0.95, 1_000)).toMatchObject({ ageMs: 999, bytes: { length: 3 }, similarity: expect.closeTo(0.9988, 4) });
  expect([replies.holdsSimilar("frame", 1_000), replies.holdsSimilar("other", 1_000)]).toEqual([true, false]);
  expect(replies.findSimilar("frame", meaning(1, 1), 0.95, 1_000)).toBeUndefined();
  expect(replies.findSimilar("other", meaning(1, 0), 0.95, 1_000)).toBeUndefined();
  expect(await figure("weir_cache_similar_replies")).toBe(1);
  pass(1);
  expect(replies.findSimilar("frame", meaning(1, 0), 0.95, 1_000)).toBeUndefined();
  expect(replies.holdsSimilar("frame", 1_000)).toBe(false);
});

test("a meaning that comes after its reply has gone, or after another has come in its place, is not kept", async () => {
  const { replies, keep, keepAt, figure } = start();
  const late = Promise.withResolvers<Meaning>();
  keepAt({ frame: "frame", meaning: () => late.promise }, "a", 3);
  keep("a", 4);
  late.resolve(meaning(1, 0));
  await settled();
  expect(replies.findSimilar("frame", meaning(1, 0), 0.95, Infinity)).toBeUndefined();
  expect([(await replies.find("a", Infinity))!.bytes.length, await figure("weir_cache_similar_replies")]).toEqual([4, 0]);
});

test("whatever is kept, vectors count in its bytes, and what has gone is found by no meaning", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(40), fc.nat(9_000), fc.integer({ min: 2, max: 2_000 }), fc.constantFrom("one", "other")), { minLength: 1, maxLength: 60 }), async (all) => {
      const { replies, keepAt, figure } = start();
      const last = new Map<string, { readonly frame: string; readonly dimensions: number }>();
      for (const [key, size, dimensions, frame] of all) {
        keepAt(placeOf(frame, ...Array.from({ length: dimensions }, (_, index) => (index === key % dimensions ? 1 : 0))), String(key), size);
        await settled();
        last.set(String(key), { frame, dimensions });
      }
      expect(await figure("weir_cache_bytes")).toBeLessThanOrEqual(bounds.maximumBytes * 0.75);
      let found = 0;
      for (const [key, { frame, dimensions }] of last) {
        const isThere = (await replies.find(key, Infinity)) !== undefined;
        if (isThere) found++;
        const direction = Array.from({ length: dimensions }, (_, index) => (index === Number(key) % dimensions ? 1 : 0));
        const another = [...last].some(([name, place]) => name !== key && place.frame === frame && place.dimensions === dimensions && Number(name) % dimensions === Number(key) % dimensions);
        if (!another) expect(replies.findSimilar(frame, meaning(...direction), 0.99, Infinity) !== undefined).toBe(isThere);
      }
      expect(await figure("weir_cache_similar_replies")).toBe(found);
    }),
    { numRuns: 50 },
  );
});
