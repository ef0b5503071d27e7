/** Proves that only what names one moment is read as one. */
import { expect, test } from "vitest";
import { momentMs } from "./moment.ts";

test("a date is midnight UTC, and a time is what its zone says", () => {
  expect(["2026-12-01", "2026-12-01T08:00Z", "2026-12-01T08:00:00.250Z", "2026-12-01T08:00:00+02:00", "2028-02-29"].map(momentMs)).toEqual([
    Date.UTC(2026, 11, 1),
    Date.UTC(2026, 11, 1, 8),
    Date.UTC(2026, 11, 1, 8, 0, 0, 250),
    Date.UTC(2026, 11, 1, 6),
    Date.UTC(2028, 1, 29),
  ]);
});

test("days that there are not, times without a zone, and other forms are no moment", () => {
  for (const text of ["2026-02-31", "2026-11-31T08:00:00Z", "2026-13-01", "2026-12-01T08:00:00", "2026-12-01T25:00:00Z", "12/01/2026", "1", "item 7", ""]) expect(momentMs(text), text).toBeNaN();
});
