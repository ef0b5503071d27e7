import { expect, test } from "vitest";
import { rangeList } from "#platform/http/ip-range.ts";
import { callerAddress } from "./caller-address.ts";

test.each([
  ["nobody is trusted", [], "198.51.100.7", "203.0.113.9", "198.51.100.7"],
  ["the connection is no trusted proxy's", ["10.0.0.0/8"], "198.51.100.7", "203.0.113.9", "198.51.100.7"],
  ["a trusted proxy says it", ["10.0.0.0/8"], "10.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["a chain of trusted proxies says it, and the caller lied before", ["10.0.0.0/8"], "::ffff:10.0.0.1", "192.0.2.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"],
  ["a trusted proxy says nothing", ["10.0.0.0/8"], "::ffff:10.0.0.1", undefined, "10.0.0.1"],
  ["a trusted proxy says nonsense", ["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, unknown", "unknown"],
  ["proxies say it with the port", ["10.0.0.0/8"], "10.0.0.1", "203.0.113.9:51234, 10.0.0.2:443", "203.0.113.9"],
  ["a proxy says it in IPv6's clothes, with the port", ["10.0.0.0/8"], "10.0.0.1", "[::ffff:203.0.113.9]:51234", "203.0.113.9"],
  ["IPv6 with the port", ["2001:db8::/32"], "2001:db8::1", "[2001:db9::1]:51234, [2001:db8::2]", "2001:db9::1"],
  ["IPv6", ["2001:db8::/32"], "2001:db8::1", "2001:db9::1", "2001:db9::1"],
])("the caller's address when %s", (_, proxies, remoteAddress, forwarded, address) => {
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  expect(callerAddress({ socket: { remoteAddress }, headers }, rangeList(proxies))).toBe(address);
});
