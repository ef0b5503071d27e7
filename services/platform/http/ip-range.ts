/** Owns ranges of IP addresses in CIDR form (`192.0.2.0/24`, `2001:db8::/32`). */
import { BlockList, isIP, isIPv6 } from "node:net";

/** The ranges as one list to check addresses against. Throws when one is no range. */
export function rangeList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const { network, bits } = partsOf(range);
    list.addSubnet(network, bits, familyOf(network));
  }
  return list;
}

/** Whether the address lies in the list; an IPv4 address in IPv6's clothes is the IPv4 address. False for what is no address. */
export function isListed(list: BlockList, address: string): boolean {
  return isIP(address) !== 0 && list.check(address, familyOf(address));
}

/** Whether the one range holds all of the other. */
export function coversRange(outer: string, inner: string): boolean {
  const { network, bits } = partsOf(inner);
  return isIPv6(network) === isIPv6(partsOf(outer).network) && partsOf(outer).bits <= bits && isListed(rangeList([outer]), network);
}

function partsOf(range: string): { readonly network: string; readonly bits: number } {
  const [network = "", bits] = range.split("/");
  return { network, bits: Number(bits) };
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv6(address) ? "ipv6" : "ipv4";
}
