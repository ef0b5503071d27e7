/** Owns what metering asks of who calls: their name for the record, and the tenants that they may see. */
import type { Identity } from "#platform/service-types.ts";

/** The id of the key, or the service. */
export function nameOf(identity: Identity): string {
  return identity.kind === "caller" ? identity.grant.keyId : `service:${identity.name}`;
}
