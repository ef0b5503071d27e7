import { expect, test } from "vitest";
import { AttemptBound } from "./attempt-bound.ts";

test("an address may try so often in a minute, and other addresses as often", () => {
  let nowMs = 0;
  const bound = new AttemptBound({ now: () => nowMs, monotonicMs: () => nowMs }, 2);
  const tries = (address: string): void => bound.count(address);
  tries("a");
  nowMs = 59_999;
  tries("a");
  expect(() => tries("a")).toThrow(expect.objectContaining({ reason: "RATE_LIMITED", retryAfterMs: 1 }));
  tries("b");
  nowMs = 60_000;
  tries("a");
  tries("a");
  expect(() => tries("a")).toThrow("within a minute");
});
