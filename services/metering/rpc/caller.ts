/** Owns what metering asks of who calls: their name for the record, and the tenants that they may see. */
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Identity } from "#platform/rpc/service-types.ts";

/** The id of the key, or the service. */
export function nameOf(identity: Identity): string {
  return identity.kind === "caller" ? identity.grant.keyId : `service:${identity.name}`;
}

/**
 * The organization whose usage the caller sees: empty means all. Whoever reaches the whole installation sees every organization;
 * any other key sees its own. Throws PERMISSION_DENIED when it asks for another.
 */
export function tenantSeenBy(identity: Identity, askedFor: string): string {
  if (identity.kind === "service" || identity.grant.reach === Reach.INSTALLATION) return askedFor;
  const { organizationId } = identity.grant;
  if (askedFor !== "" && askedFor !== organizationId) {
    throw new GatewayError("PERMISSION_DENIED", `This key belongs to ${organizationId} and sees no usage of ${askedFor}: use a key of that organization, or one that administers all.`);
  }
  return organizationId;
}
