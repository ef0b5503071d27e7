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
  [{}, undefined],
])("%j means %s ms", (headers, expected) => {
  expect(retryAfterMs(headers as Record<string, string>)).toBe(expected);
});
