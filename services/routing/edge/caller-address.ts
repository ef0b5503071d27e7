/** Owns the caller's IP address: the connection's, or what proxies that the operator trusts say of it. */
import type { BlockList } from "node:net";
import type { HttpRequest } from "#platform/http/listener.ts";
import { isListed } from "#platform/http/ip-range.ts";

/** Each proxy appends the address it was called from; from the end, the first that is no trusted proxy is the caller. */
export function callerAddress({ socket, headers }: Pick<HttpRequest, "headers"> & { readonly socket: { readonly remoteAddress?: string | undefined } }, trustedProxies: BlockList | undefined): string {
  const forwarded = String(headers["x-forwarded-for"] ?? "").split(",");
  let address = socket.remoteAddress ?? "";
  while (trustedProxies !== undefined && isListed(trustedProxies, address)) {
    const before = withoutPort(forwarded.pop()?.trim() ?? "");
    if (before === "") break;
    address = before;
  }
  return address.replace(/^::ffff:(?=\d+\.)/, "");
}

/** Some proxies say the port as well, which each connection has another of: `203.0.113.9:51234`, `[2001:db8::1]:51234`. */
function withoutPort(address: string): string {
  return /^(\d+(?:\.\d+){3}):\d+$/.exec(address)?.[1] ?? /^\[([\da-f:.]+)\](?::\d+)?$/i.exec(address)?.[1] ?? address;
}
