/** Owns the proof that every form of `retry-after` is understood, and nothing is made of what is none. */
import { expect, test } from "vitest";
import { retryAfterMs } from "./retry-after.ts";

const date = "Sat, 21 Nov 2026 00:00:00 GMT";

test.each([
  [{ "retry-after": "2" }, 2_000],
  [{ "retry-after": "0.5" }, 500],
  [{ "retry-after": "0" }, 0],
  [{ "retry-after": "Sat, 21 Nov 2026 00:00:30 GMT", date }, 30_000],
  [{ "retry-after": "Sat, 21 Nov 2026 00:00:30 GMT" }, undefined],
  [{ "retry-after": "Fri, 20 Nov 2026 00:00:00 GMT", date }, 0],
  [{ "retry-after": "soon", date }, undefined],
  [{ "retry-after": "1e9" }, undefined],
  [{ "retry-after": "" }, undefined],
  [{ "retry-after": "-5", date: "Tue, 15 Nov 1994 08:12:31 GMT" }, undefined],
  [{ "retry-after": "2026-11-21", date }, undefined],
  [{ "retry-after": "Saturday, 21-Nov-26 00:00:30 GMT", date }, 30_000],
  [{ "retry-after": "999999999" }, undefined],
  [{ "retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", date }, undefined],
  [{}, undefined],
])("%j means %s ms", (headers, expected) => {
  expect(retryAfterMs(headers as Record<string, string>)).toBe(expected);
});
