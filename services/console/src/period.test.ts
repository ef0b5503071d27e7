import { timestampDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { bucketsOf, periods, startOf, type Period } from "./period.ts";

const mondayMorning = Date.UTC(2026, 10, 23, 7, 42, 11);

test.each(Object.keys(periods) as Period[])("%s ends with the bucket of now, and begins where it says", (period) => {
  const buckets = bucketsOf(period, mondayMorning);
  expect(buckets).toHaveLength(periods[period].buckets);
  expect(new Set(buckets.map(({ name }) => name)).size).toBe(buckets.length);
  expect(buckets[0]!.startMs).toBe(timestampDate(startOf(period, mondayMorning)).getTime());
  expect(buckets.at(-1)!.name).toBe(periods[period].bucket === "hour" ? "2026-11-23T07" : "2026-11-23");
});

test("a question asked twice in an hour is the same question", () => {
  expect(startOf("24h", mondayMorning)).toEqual(startOf("24h", mondayMorning + 60_000));
});
