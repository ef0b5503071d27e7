import fc from "fast-check";
import { expect, test } from "vitest";
import { maximumDimensions, similarityOf, unitVector } from "./similarity.ts";

const vector = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 8 }).filter((values) => values.some((value) => value !== 0));

test("the similarity is that of directions, at most 1, and the same both ways", () => {
  fc.assert(
    fc.property(vector, fc.integer({ min: 1, max: 1_000 }), vector, (values, factor, others) => {
      const [one, other] = [unitVector(values)!, unitVector(values.map((_, index) => others[index % others.length]!))];
      expect(similarityOf(one, unitVector(values.map((value) => value * factor))!)).toBeCloseTo(1, 5);
      expect(similarityOf(one, unitVector(values.map((value) => -value))!)).toBeCloseTo(-1, 5);
      if (other === undefined) return;
      expect(similarityOf(one, other)).toBe(similarityOf(other, one));
      expect(similarityOf(one, other)).toBeLessThanOrEqual(1);
    }),
  );
});

test.each([[[]], [[0, 0]], [[Number.NaN, 1]], [[Infinity]], [Array.from({ length: maximumDimensions + 1 }, () => 1)]])("what has no direction, or no end, is no vector", (values) => {
  expect(unitVector(values)).toBeUndefined();
});
