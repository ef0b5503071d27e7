/** Owns the tests of delivery: nothing is let go without an answer, nothing waits for another, batches are few under load. */
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../clock.ts";
import type { SettledRecord } from "../journal/journal.ts";
import { createEventDelivery, type EventDelivery } from "./event-delivery.ts";
import type { DeliverableEvent, DeliveryReceipt } from "./event-transport.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Answer = (ids: readonly string[]) => DeliveryReceipt;
const confirmAll: Answer = (ids) => ({ confirmedIds: ids, rejectedIds: [] });

/** A delivery over a journal that is a map, to a receiver that answers as told. */
function createWorld(answer: Answer): { delivery: EventDelivery<string>; batches: string[][]; journal: Map<string, string>; logged: string[] } {
  const batches: string[][] = [];
  const journal = new Map<string, string>();
  const logged: string[] = [];
  const delivery = createEventDelivery<string>({
    journal: {
      confirm: (ids) => ids.forEach((id) => journal.delete(id)),
      read: async (ids) => ids.filter((id) => journal.has(id)).map((id): SettledRecord => ({ id, beginPayload: Buffer.of(), settlePayload: Buffer.from(journal.get(id)!) })),
    },
    decode: ({ settlePayload }) => Buffer.from(settlePayload).toString(),
    transport: {
      async deliver(events: readonly DeliverableEvent<string>[]) {
        for (const { id, event } of events) expect(event).toBe(`event of ${id}`);
        batches.push(events.map(({ id }) => id));
        return answer(events.map(({ id }) => id));
      },
    },
    batchMaximum: 1000,
    random: () => 0.5,
    clock: systemClock,
    logger: pino({ level: "error" }, { write: (line: string) => void logged.push(line) }),
  });
  return { delivery, batches, journal, logged };
}

function settleEvents({ delivery, journal }: ReturnType<typeof createWorld>, ids: readonly string[]): void {
  for (const id of ids) {
    journal.set(id, `event of ${id}`);
    delivery.add(id, `event of ${id}`);
  }
}

test("an event after a quiet time goes at once, later ones together", async () => {
  const world = createWorld(confirmAll);
  settleEvents(world, ["a"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(world.batches).toEqual([["a"]]);
  for (let event = 0; event < 8; event++) {
    settleEvents(world, [`b${event}`]);
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(world.batches).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(20);
  expect(world.batches[1]).toHaveLength(8);
  expect(world.journal.size).toBe(0);
});

test("what is not confirmed stays in the journal and is sent again", async () => {
  let attempts = 0;
  const world = createWorld((ids) => {
    attempts++;
    if (attempts === 1) throw new Error("the ledger is down");
    return { confirmedIds: ids.filter((id) => attempts > 3 || id !== "b"), rejectedIds: [] };
  });
  settleEvents(world, ["a", "b", "c"]);
  await vi.advanceTimersByTimeAsync(10);
  expect([...world.journal.keys()]).toEqual(["a", "b", "c"]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(world.journal.size).toBe(0);
  expect(world.delivery.pending).toBe(0);
});

test("an event that fails every batch does not hold up the others", async () => {
  const world = createWorld((ids) => {
    if (ids.includes("poison")) throw new Error("cannot be encoded");
    return confirmAll(ids);
  });
  settleEvents(world, ["poison", ...Array.from({ length: 500 }, (_, index) => `e${index}`)]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([...world.journal.keys()]).toEqual(["poison"]);
});

test("a rejected event is logged as an error and let go", async () => {
  const world = createWorld((ids) => ({ confirmedIds: ids.filter((id) => id !== "b"), rejectedIds: ["b"] }));
  settleEvents(world, ["a", "b"]);
  await vi.advanceTimersByTimeAsync(10);
  expect(world.journal.size).toBe(0);
  expect(world.logged).toEqual([expect.stringContaining('"id":"b"')]);
});

test("events beyond the memory's bound, and recovered ones, are read from the journal", async () => {
  const world = createWorld(confirmAll);
  const ids = Array.from({ length: 25_000 }, (_, index) => `e${index}`);
  for (const id of ids.slice(0, 5_000)) world.journal.set(id, `event of ${id}`);
  world.delivery.start(ids.slice(0, 5_000).map((id) => ({ id })));
  settleEvents(world, ids.slice(5_000));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(world.batches.flat()).toHaveLength(25_000);
  expect(Math.max(...world.batches.map((batch) => batch.length))).toBe(1_000);
  expect(world.journal.size).toBe(0);
});

test("drain resolves when all is confirmed, or says what is left", async () => {
  let isUp = false;
  const world = createWorld((ids) => {
    if (!isUp) throw new Error("the ledger is down");
    return confirmAll(ids);
  });
  settleEvents(world, ["a", "b"]);
  const tooEarly = world.delivery.drain(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await tooEarly).toBe(2);
  isUp = true;
  const drained = world.delivery.drain(60_000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await drained).toBe(0);
});

test("after stop nothing is delivered", async () => {
  const world = createWorld(confirmAll);
  settleEvents(world, ["a"]);
  await world.delivery.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(world.batches).toEqual([]);
  expect(world.journal.size).toBe(1);
});

test("a full batch, and a drain, wait for nothing", async () => {
  const world = createWorld(confirmAll);
  settleEvents(world, ["a"]);
  await vi.advanceTimersByTimeAsync(1);
  settleEvents(world, Array.from({ length: 1_000 }, (_, index) => `b${index}`));
  await vi.advanceTimersByTimeAsync(1);
  expect(world.batches.map((batch) => batch.length)).toEqual([1, 1_000]);
  settleEvents(world, ["c"]);
  const drained = world.delivery.drain(1_000);
  await vi.advanceTimersByTimeAsync(1);
  expect(await drained).toBe(0);
});
