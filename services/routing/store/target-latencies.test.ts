import { expect, test } from "vitest";
import { systemClock } from "#platform/clock.ts";
import { TargetLatencies } from "./target-latencies.ts";

let nowMs = 5_000;
const clock = { ...systemClock, monotonicMs: () => nowMs };

function measure(latencies: TargetLatencies, tookMs: number, isStream = false): void {
  const hasBegun = latencies.begin("a/m", isStream);
  nowMs += tookMs;
  hasBegun(true);
}

test("who was never tried is due, once", () => {
  const latencies = new TargetLatencies(clock);
  expect(latencies.of("a/m", false)).toEqual({ ms: undefined, isDue: true });
  const hasBegun = latencies.begin("a/m", false);
  expect(latencies.of("a/m", false)).toEqual({ ms: undefined, isDue: false });
  nowMs += 40;
  hasBegun(true);
  expect(latencies.of("a/m", false)).toEqual({ ms: 40, isDue: false });
});

test("who was not tried for half a minute is due, though the last attempt told nothing", () => {
  const latencies = new TargetLatencies(clock);
  measure(latencies, 40);
  nowMs += 29_959;
  expect(latencies.of("a/m", false).isDue).toBe(false);
  nowMs += 1;
  expect(latencies.of("a/m", false)).toEqual({ ms: 40, isDue: true });
  latencies.begin("a/m", false);
  expect(latencies.of("a/m", false)).toEqual({ ms: 40, isDue: false });
});

test("the latest seconds count, however many calls there were", () => {
  const latencies = new TargetLatencies(clock);
  for (let call = 0; call < 1_000; call++) measure(latencies, 10);
  expect(latencies.of("a/m", false).ms).toBeCloseTo(10);
  for (let call = 0; call < 10; call++) measure(latencies, 1_000);
  // After ten seconds a third is left of what was.
  expect(latencies.of("a/m", false).ms).toBeCloseTo(10 / Math.E + 1_000 * (1 - 1 / Math.E));
  nowMs += 60_000;
  measure(latencies, 10);
  expect(latencies.of("a/m", false).ms).toBeLessThan(15);
});

test("streams are measured apart from whole replies", () => {
  const latencies = new TargetLatencies(clock);
  measure(latencies, 900);
  measure(latencies, 30, true);
  expect([latencies.of("a/m", false).ms, latencies.of("a/m", true).ms]).toEqual([900, 30]);
});

test("who is claimed is not due to others", () => {
  const latencies = new TargetLatencies(clock);
  latencies.claim("a/m", false);
  expect(latencies.of("a/m", false)).toEqual({ ms: undefined, isDue: false });
});

test("a reply that was not waited for counts with the time it had, a failure that came sooner than replies do not at all", () => {
  const latencies = new TargetLatencies(clock);
  const fail = (afterMs: number): void => {
    const hasBegun = latencies.begin("a/m", false);
    nowMs += afterMs;
    hasBegun(false);
  };
  fail(5_000);
  expect(latencies.of("a/m", false).ms).toBeUndefined();
  measure(latencies, 40);
  fail(1);
  expect(latencies.of("a/m", false).ms).toBe(40);
  fail(2_000);
  expect(latencies.of("a/m", false).ms).toBeGreaterThan(300);
});
