/** Owns whose tenancy a caller may touch: the part of it that statements are kept within. */
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Identity } from "#platform/rpc/service-types.ts";

/** Empty where it is of all. */
export interface Tenant {
  readonly organizationId: string;
  readonly teamId: string;
}

const everyone: Tenant = { organizationId: "", teamId: "" };

/** What the caller may see. */
export function visibleTo(identity: Identity): Tenant {
  if (identity.kind === "service" || identity.grant.reach === Reach.INSTALLATION) return everyone;
  return { organizationId: identity.grant.organizationId, teamId: "" };
}

/** What the caller may change. */
export function changeableBy(identity: Identity): Tenant {
  const tenant = visibleTo(identity);
  if (identity.kind === "service" || identity.grant.reach >= Reach.ORGANIZATION) return tenant;
  return { ...tenant, teamId: identity.grant.teamId };
}

/** The organization that a new thing is of: the named one, or the only one that the caller reaches. Throws PERMISSION_DENIED for another. */
export function ownedBy(identity: Identity, named: string): string {
  const { organizationId: own } = visibleTo(identity);
  if (own === "" || named === "" || named === own) return own === "" ? named : own;
  throw new GatewayError("PERMISSION_DENIED", "This key reaches its own organization alone. Use a key of that organization, or of whoever runs this installation.", { metadata: { organization_id: own } });
}

/** Throws INVALID_REQUEST when the caller would suspend what the own key is of. */
export function checkNotOwn(kind: "organization" | "team", id: string, identity: Identity): void {
  if (identity.kind === "service" || id !== (kind === "team" ? identity.grant.teamId : identity.grant.organizationId)) return;
  const description = `The key of this call is of that ${kind}, and would be refused from now on.`;
  throw new GatewayError("INVALID_REQUEST", `${description} Suspend it with a key of another ${kind}.`, { fieldViolations: [{ field: "suspended", description }] });
}
