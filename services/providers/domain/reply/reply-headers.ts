/** Owns what a reply's headers say before its body is read. */
import { GatewayError } from "#platform/errors.ts";
import type { VendorReply } from "../adapter.ts";

/** Lower-case names. */
export type ReplyHeaders = Readonly<Record<string, string>>;

/** The headers with those that came several times joined. */
export function flatHeaders(headers: Readonly<Record<string, string | readonly string[] | undefined>>): ReplyHeaders {
  for (const name in headers) {
    if (typeof headers[name] !== "string") return joinHeaders(headers);
  }
  return headers as ReplyHeaders;
}

function joinHeaders(headers: Readonly<Record<string, string | readonly string[] | undefined>>): ReplyHeaders {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : (value ?? []).join(", ")]));
}

/** Throws UPSTREAM_PROTOCOL when a reply that is no error cannot be read. */
export function refuseCompressed(headers: ReplyHeaders): void {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor compressed its reply (${encoding}) though it was asked not to.`);
  }
}

/** Throws UPSTREAM_PROTOCOL when a stream was asked for and this is none. */
export function refuseWholeReply(contentType: string): void {
  if (contentType.startsWith("application/json")) {
    throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor answered a request for a stream with ${contentType}.`);
  }
}

/** The error that a redirect means: none is followed, because it could lead the credential elsewhere. */
export function readRedirect({ status }: VendorReply): GatewayError | undefined {
  if (status >= 400) return undefined;
  return new GatewayError("UPSTREAM_PROTOCOL", `The vendor redirects (${status}), and Weir follows no redirect; set the provider's base_url to the final address.`, {
    metadata: { status: String(status) },
  });
}
