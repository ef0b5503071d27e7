/** Owns how this machine reaches what listens at an address, as the host of a URL. */

export function reachableHost(address: string): string {
  if (address === "0.0.0.0" || address === "::") return "127.0.0.1";
  return address.includes(":") ? `[${address}]` : address;
}
