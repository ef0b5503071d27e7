/** Owns the proof of which addresses are dialled. */
import { describe, expect, it } from "vitest";
import { reasonToRefuse } from "./address.ts";

describe("reasonToRefuse", () => {
  it.each([
    "169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe", "224.0.0.1", "255.255.255.255", "ff02::1",
  ])("never dials %s", (address) => {
    expect(reasonToRefuse(address, true)).toContain(address);
  });

  it.each([
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "::", "::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "240.0.0.1", "::7f00:1", "64:ff9b:1::1", "100::1", "fec0::1", "5f00::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::1", "3fff::1",
  ])("dials %s only when the operator asked", (address) => {
    expect(reasonToRefuse(address, false)).toContain("private");
    expect(reasonToRefuse(address, true)).toBeUndefined();
  });

  it.each(["1.1.1.1", "172.32.0.1", "169.253.255.255", "100.128.0.1", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"])("dials %s", (address) => {
    expect(reasonToRefuse(address, false)).toBeUndefined();
  });
});
