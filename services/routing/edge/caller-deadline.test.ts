/** Owns the proof that deadlines go on, but for those that no timer counts to. */
import { expect, test } from "vitest";
import { leaveOutFarDeadlines } from "./caller-deadline.ts";

test.each([
  ["connect-timeout-ms", ["0", "2147483647", "99999999999", "soon", "-1"], ["2147483648", "9999999999"]],
  ["grpc-timeout", ["0S", "596H", "99999999m", "2147483S", "999999999H", "5"], ["597H", "99999999H", "99999999M", "2147484S"]],
])("%s", (name, kept, leftOut) => {
  const after = (value: string): unknown => {
    const headers = { [name]: value };
    leaveOutFarDeadlines(headers);
    return headers[name];
  };
  expect(kept.map(after)).toEqual(kept);
  expect(leftOut.map(after)).toEqual(leftOut.map(() => undefined));
});
