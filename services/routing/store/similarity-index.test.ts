import fc from "fast-check";
import { expect, test } from "vitest";
import { similarityOf, unitVector } from "../domain/cache/similarity.ts";
import { maximumNumbers, SimilarityIndex } from "./similarity-index.ts";

interface Kept {
  readonly frame: string;
  readonly key: string;
  readonly space: string;
  readonly vector: Float32Array;
  readonly sinceMs: number;
}

const coordinate = fc.integer({ min: -3, max: 3 });
const vector = fc.array(coordinate, { minLength: 2, maxLength: 3 }).filter((values) => values.some((value) => value !== 0)).map((values) => unitVector(values)!);
const change = fc.record({ frame: fc.constantFrom("f", "g"), key: fc.integer({ min: 0, max: 12 }).map(String), space: fc.constantFrom("up/e", "up/f"), vector, isRemoval: fc.boolean() });

test("what is found is what comparing with all would find, and what was removed is never found", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), vector, fc.constantFrom(0.5, 0.9, 1), fc.integer({ min: -1, max: 40 }), (changes, asked, minimum, sinceMs) => {
      const index = new SimilarityIndex();
      const kept: Kept[] = [];
      changes.forEach(({ frame, key, space, vector: one, isRemoval }, at) => {
        const present = kept.findIndex((entry) => entry.frame === frame && entry.key === key);
        if (present >= 0) kept.splice(present, 1);
        index.remove(frame, key);
        if (isRemoval) return;
        index.add(frame, key, { space, vector: one }, at);
        kept.push({ frame, key, space, vector: one, sinceMs: at });
      });
      expect(index.size).toBe(kept.length);
      for (const frame of ["f", "g"]) {
        const young = kept.filter((entry) => entry.frame === frame && entry.sinceMs > sinceMs);
        expect(index.holds(frame, sinceMs)).toBe(young.length > 0);
        const comparable = young.filter((entry) => entry.space === "up/e" && entry.vector.length === asked.length).map(({ key, vector: one }) => ({ key, similarity: similarityOf(one, asked) }));
        const best = Math.max(-2, ...comparable.map(({ similarity }) => similarity));
        const nearest = comparable.findLast(({ similarity }) => similarity === best && similarity >= minimum);
        expect(index.nearest(frame, { space: "up/e", vector: asked }, minimum, sinceMs)).toEqual(nearest);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("a frame that is full gives up its oldest", () => {
  const index = new SimilarityIndex();
  const dimensions = 1_536;
  const many = maximumNumbers / dimensions;
  const pointing = (at: number) => ({ space: "up/e", vector: unitVector(Array.from({ length: dimensions }, (_, place) => (place === at ? 1 : 0)))! });
  for (let at = 0; at <= many; at++) index.add("f", String(at), pointing(at), at);
  expect(index.size).toBe(many);
  expect(index.nearest("f", pointing(0), 0.5, -1)).toBeUndefined();
  expect(index.nearest("f", pointing(1), 0.5, -1)).toEqual({ key: "1", similarity: 1 });
  index.remove("f", "0");
  expect(index.size).toBe(many);
});
