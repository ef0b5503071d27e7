/** Owns the proof that depth is told from defects. */
import { expect, test } from "vitest";
import { readNested } from "./nesting.ts";

const tooDeep = (): Error => new Error("too deep");

test("what is nested too deeply is said to be; anything else goes through", () => {
  const deep: unknown = JSON.parse("[".repeat(200_000) + "]".repeat(200_000));
  expect(() => readNested(() => JSON.stringify(deep), tooDeep)).toThrow("too deep");
  expect(readNested(() => JSON.stringify([1]), tooDeep)).toBe("[1]");
  expect(() => readNested(() => "x".repeat(-1), tooDeep)).toThrow(RangeError);
});
