import { expect, test } from "vitest";
import { PlanningChanges, settledAfterMs } from "./planning-changes.ts";

const never = new AbortController().signal;

function start(): { readonly changes: PlanningChanges; readonly clock: { nowMs: number } } {
  const clock = { nowMs: 0 };
  return { clock, changes: new PlanningChanges({ now: () => clock.nowMs, monotonicMs: () => clock.nowMs }) };
}

test("tells of the next change at once", async () => {
  const { changes } = start();
  changes.note();
  const told = changes.next(never);
  changes.note();
  expect(await told).toBe(true);
});

test("says to look again where a change may have gone untold, until all has settled", async () => {
  const { changes, clock } = start();
  expect(await changes.next(never)).toBe(false);
  changes.note();
  expect(await changes.next(never)).toBe(true);
  clock.nowMs += settledAfterMs;
  expect(await changes.next(never)).toBe(false);
});

test("does not wait for a caller who is gone", async () => {
  const { changes } = start();
  changes.note();
  const caller = new AbortController();
  const left = changes.next(caller.signal);
  caller.abort();
  expect(await left).toBe(false);
  expect(await changes.next(caller.signal)).toBe(false);
});
