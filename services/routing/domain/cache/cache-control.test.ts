import { expect, test } from "vitest";
import { readCacheControl } from "./cache-control.ts";

test.each([
  ["", { mayFind: true, mayKeep: true, maximumAgeMs: Infinity }],
  ["no-cache", { mayFind: false, mayKeep: true, maximumAgeMs: Infinity }],
  ["No-Store", { mayFind: false, mayKeep: false, maximumAgeMs: Infinity }],
  ["max-age=30", { mayFind: true, mayKeep: true, maximumAgeMs: 30_000 }],
  ['foo, max-age="5" ,max-age=7', { mayFind: true, mayKeep: true, maximumAgeMs: 5_000 }],
  ["no-cache, max-age=0, no-transform", { mayFind: false, mayKeep: true, maximumAgeMs: 0 }],
  ["max-age=soon, only-if-cached", { mayFind: true, mayKeep: true, maximumAgeMs: Infinity }],
])("%j", (header, read) => {
  expect(readCacheControl(header)).toEqual(read);
});
