/** Owns the tenancy that every installation begins with: an organization, a team, and keys to make the first call. */
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import type { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { newId } from "#platform/ids.ts";
import { digestOfKeySecret, isKeySecret } from "#platform/secrets/key-secret.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { PolicyDependencies } from "./dependencies.ts";
import { newKeySecret, storedForm } from "./key-secrets.ts";
import { findKeyByDigest, insertKey } from "./store/keys.ts";
import { ensureOrganization } from "./store/organizations.ts";
import { ensureTeam } from "./store/teams.ts";

const defaultName = "default";

export interface BootstrapKey {
  readonly name: string;
  readonly role: Role;
  /** The secret that the installation has on file; undefined when it has none. */
  readonly storedSecret: Secret | undefined;
}

/**
 * Ensures the organization `default` with its team `default`, and in it a valid key of this role; returns the key's secret.
 * That is the stored secret if it can be: one that the database does not know (another database, or one begun anew) is registered,
 * so that who already uses it need not change. A new secret takes the place of one that is missing, malformed, revoked, or of another role;
 * put it on file. Throws DEPENDENCY_UNAVAILABLE.
 */
export async function bootstrapTenancy({ database, pepper, clock }: Pick<PolicyDependencies, "database" | "pepper" | "clock">, key: BootstrapKey): Promise<Secret> {
  return database.transaction(async (transaction) => {
    const createTime = new Date(clock.now());
    // Locks the organization, so that of two starts at once the second finds what the first registered.
    const organizationId = await ensureOrganization(transaction, { id: newId("org", clock), name: defaultName, createTime });
    const teamId = await ensureTeam(transaction, { id: newId("team", clock), organizationId, name: defaultName, createTime });

    let secret = key.storedSecret !== undefined && isKeySecret(key.storedSecret.reveal()) ? key.storedSecret : newKeySecret();
    const known = await findKeyByDigest(transaction, digestOfKeySecret(secret.reveal(), pepper));
    if (known !== undefined && known.revokeTime === undefined && known.role === key.role) return secret;
    if (known !== undefined) secret = newKeySecret();
    await insertKey(transaction, {
      id: newId("key", clock),
      organizationId,
      teamId,
      name: key.name,
      ...storedForm(secret, pepper),
      role: key.role,
      memberId: undefined,
      scope: undefined,
      labels: {},
      createTime,
      expireTime: undefined,
      consistency: Consistency.STALE_OK,
    });
    return secret;
  });
}
