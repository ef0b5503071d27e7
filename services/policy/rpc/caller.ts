/** Owns how a caller is named in what stays on record. */
import type { Identity } from "#platform/rpc/service-types.ts";

/** The key, or the service of Weir. */
export function nameOf(identity: Identity): string {
  return identity.kind === "service" ? identity.name : identity.grant.keyId;
}
