import { beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { createLogger } from "#platform/logger.ts";
import { sendToMetering, waitingList, type MeteringSender } from "./metering-sender.ts";

const away = new GatewayError("DEPENDENCY_UNAVAILABLE", "Metering is away.");

/** What was told: each time the items, under which sequence. */
const told: [bigint, number[]][] = [];
let lost = 0;
let answer: (items: readonly number[]) => void = () => undefined;

function start(most = 10): MeteringSender<number> {
  return sendToMetering<number>({
    what: "numbers",
    waiting: waitingList(most),
    batch: 3,
    tell: async (items, _senderId, sequence) => {
      told.push([sequence, items]);
      answer(items);
    },
    onLost: (count) => (lost += count),
    clock: systemClock,
    logger: createLogger("silent"),
  });
}

beforeEach(() => {
  told.length = 0;
  lost = 0;
  answer = () => undefined;
});

test("what is added goes in batches, and what waits at the stop goes then", async () => {
  const sender = start();
  for (const item of [1, 2, 3, 4]) sender.add(item);
  await sender.stop();
  expect(told).toEqual([[1n, [1, 2, 3]], [2n, [4]]]);
  expect(lost).toBe(0);
});

test("a batch that is not taken is told again as the same one", async () => {
  answer = () => {
    if (told.length === 1) throw away;
  };
  const sender = start();
  for (const item of [1, 2, 3]) sender.add(item);
  await vi.waitFor(() => expect(told).toEqual([[1n, [1, 2, 3]], [1n, [1, 2, 3]]]), { timeout: 5_000 });
  await sender.stop();
  expect(lost).toBe(0);
});

test("a batch that can never be taken is lost, and holds up none behind it", async () => {
  answer = (items) => {
    if (items.includes(2)) throw new GatewayError("INVALID_REQUEST", "No.");
  };
  const sender = start();
  for (const item of [1, 2, 3, 4, 5, 6]) sender.add(item);
  await sender.stop();
  expect([told.length, lost]).toEqual([2, 3]);
});

test("what has no room, and what metering does not take before the stop, is counted", async () => {
  answer = () => {
    throw away;
  };
  const sender = start(4);
  for (let item = 0; item < 9; item++) sender.add(item);
  expect(lost).toBe(5);
  await sender.stop();
  expect(lost).toBe(9);
});
