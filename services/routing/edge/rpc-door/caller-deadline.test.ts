/** Proves that deadlines are read as Connect reads them, and that those are left out to which no timer counts. */
import { expect, test } from "vitest";
import { takeDeadline } from "./caller-deadline.ts";

test.each([
  ["connect-timeout-ms", ["0", "2147483647", "99999999999", "soon", "-1"], ["2147483648", "9999999999"]],
  ["grpc-timeout", ["0S", "596H", "99999999m", "2147483S", "999999999H", "5"], ["597H", "99999999H", "99999999M", "2147484S"]],
])("%s", (name, kept, leftOut) => {
  const after = (value: string): unknown => {
    const headers = { [name]: value };
    takeDeadline(headers);
    return headers[name];
  };
  expect(kept.map(after)).toEqual(kept);
  expect(leftOut.map(after)).toEqual(leftOut.map(() => undefined));
});

test.each([
  [{ "connect-timeout-ms": "200" }, 200],
  [{ "grpc-timeout": "2S" }, 2_000],
  [{ "grpc-timeout": "5m" }, 5],
  [{ "grpc-timeout": "500u" }, 0.5],
  [{ "grpc-timeout": "1000H" }, undefined],
  [{ "grpc-timeout": "soon" }, undefined],
  [{}, undefined],
])("%o is %s ms", (headers, timeoutMs) => {
  expect(takeDeadline({ ...headers })).toBe(timeoutMs);
});
