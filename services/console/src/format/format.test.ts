import * as fc from "fast-check";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { csvOf } from "./csv.ts";
import { dollars, exactDollars, permille, plainDollars, readDollars } from "./money.ts";
import { milliseconds, percent, shortCount } from "./number.ts";
import { distance } from "./time.ts";

describe("money", () => {
  test.each([
    [0n, "$0.00", "$0.00"],
    [1n, "$0.000000001", "$0.000000001"],
    [6_894_000n, "$0.006894", "$0.006894"],
    [689_350n, "$0.000689", "$0.00068935"],
    [9_999n, "$0.000009999", "$0.000009999"],
    [31_249_999n, "$0.0312", "$0.031249999"],
    [31_250_000n, "$0.0313", "$0.03125"],
    [999_960_000n, "$1.00", "$0.99996"],
    [1_995_000_000n, "$2.00", "$1.995"],
    [1_234_567_890_123_456_789n, "$1,234,567,890.12", "$1,234,567,890.123456789"],
    [-1_500_000_000n, "-$1.50", "-$1.50"],
  ])("%d nanos", (nanos, short, exact) => {
    expect(dollars(nanos)).toBe(short);
    expect(exactDollars(nanos)).toBe(exact);
  });

  test("what is written whole is read as the same amount, to the last digit", () => {
    fc.assert(fc.property(fc.bigInt(0n, 999_999_999_999_999_999n), (nanos) => {
      expect(readDollars(exactDollars(nanos))).toBe(nanos);
      expect(readDollars(plainDollars(nanos))).toBe(nanos);
    }));
  });

  test.each(["", "12,5.x", "1.1234567891", "-3", "1e3", ",", "12,50", "1,00", "0,5", "1234,567", "9000000000", "$"])("%j is no amount", (text) => expect(readDollars(text)).toBeUndefined());

  test("shares are of integers, and of nothing none", () => {
    expect(permille(909n, 1_000n)).toBe(909);
    expect(permille(2n ** 62n, 2n ** 62n)).toBe(1_000);
    expect(permille(5n, 0n)).toBe(0);
  });
});

test("counts, shares and durations", () => {
  expect([0n, 99_999n, 100_000n, 110_499n, 1_049_999n, 128_000_000n].map(shortCount)).toEqual(["0", "99,999", "100 k", "110 k", "1.0 M", "128 M"]);
  expect([0, 36, 40, 1_234].map(percent)).toEqual(["0 %", "3.6 %", "4 %", "123 %"]);
  expect([undefined, 0n, 999n, 1_234n, 61_000n].map(milliseconds)).toEqual(["–", "0 ms", "999 ms", "1.2 s", "1 min 1 s"]);
});

test("how long ago it was", () => {
  const now = Date.UTC(2026, 10, 23, 8);
  const at = (differenceMs: number): string => distance(timestampFromMs(now + differenceMs), now);
  expect([0, -59_000, -60_000, -7_200_000, 172_800_000].map(at)).toEqual(["just now", "just now", "1 minute ago", "2 hours ago", "in 2 days"]);
});

test("CSV quotes what needs it, and hands spreadsheets no formula", () => {
  expect(csvOf([["Key", "Cost"], ['a "b", c', "-1.5"], ["=HYPERLINK(1)", "@x"]])).toBe('Key,Cost\r\n"a ""b"", c",-1.5\r\n\'=HYPERLINK(1),\'@x\r\n');
});
