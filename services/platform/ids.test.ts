import fc from "fast-check";
import { expect, test } from "vitest";
import { newId, timeOfId } from "./ids.ts";

const clockAt = (time: number): { now: () => number; monotonicMs: () => number } => ({ now: () => time, monotonicMs: () => time });

test("an id carries its time of birth and sorts by it", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 45), fc.nat(2 ** 45), (left, right) => {
      const [first, second] = [newId("att", clockAt(left)), newId("att", clockAt(right))];
      expect(timeOfId(first)).toBe(left);
      if (left !== right) expect(first < second).toBe(left < right);
    }),
  );
});

test("ids of one instant differ", () => {
  const ids = Array.from({ length: 10_000 }, () => newId("req", clockAt(1)));
  expect(new Set(ids).size).toBe(ids.length);
});

test.each(["", "att_", "att_0", "no-underscore", "att_uuuuuuuuuuuuuuuuuuuuuuuuuu"])("%j is no id", (text) => {
  expect(timeOfId(text)).toBeUndefined();
});
