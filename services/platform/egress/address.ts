/** Owns which network addresses Weir may connect to: never a cloud's metadata service, and private ones only where the operator asked. */
import { isIPv6 } from "node:net";
import { isListed, rangeList } from "../http/ip-range.ts";

/** Why an address may not be dialled, or undefined when it may. */
export function reasonToRefuse(address: string, allowPrivate: boolean): string | undefined {
  if (isListed(neverAllowed, address)) return `${address} is a link-local, metadata or multicast address, which is never dialled`;
  if (!allowPrivate && isListed(isIPv6(address) ? privateAddresses.ipv6 : privateAddresses.ipv4, address)) return `${address} is a private or reserved address, which is dialled only where the operator allows it (the base_url of a provider, private_address of a webhook)`;
  return undefined;
}

const neverAllowed = rangeList([
  // Link-local, with the metadata services of AWS, Google, Azure and most others.
  "169.254.0.0/16",
  "fe80::/10",
  // Metadata over IPv6 (AWS, Google), and where Alibaba, Oracle and Azure have their own addresses.
  "fd00:ec2::254/128",
  "fd20:ce::254/128",
  "100.100.100.200/32",
  "192.0.0.192/32",
  "168.63.129.16/32",
  // The link-local range behind NAT64 and 6to4.
  "64:ff9b::a9fe:0/112",
  "2002:a9fe::/32",
  // The same in the old form that holds an IPv4 address.
  "::a9fe:0/112",
  // Multicast and broadcast.
  "224.0.0.0/4",
  "255.255.255.255/32",
  "ff00::/8",
]);

/** Sources: the special-purpose registries of IANA, https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry. */
const privateAddresses = {
  ipv4: rangeList([
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
  ]),
  // A list apart: to a list of both, an IPv4 address is one of IPv6 too.
  ipv6: rangeList([
    // All but 2000::/3, which alone is handed out: loopback, private and local addresses, and those that hold one of IPv4 (NAT64 too).
    "::/3",
    "4000::/2",
    "8000::/1",
    // Of 2000::/3, what is not one place on the internet: Teredo and other special uses, 6to4, documentation.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
  ]),
};
