/** Owns what a caller for whom others vouch comes in by: the grant of a key of its own, and what was said of it in place of the key's role. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { VouchedCallerSchema, type Grant, type VouchedCaller } from "#gen/weir/policy/v1/grant_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { PolicyDependencies } from "./dependencies.ts";
import { factsOf } from "./domain/roles.ts";
import type { VouchedIdentity } from "./domain/vouched-identity.ts";
import { ensureVouchedKey } from "./store/vouched-keys.ts";

export interface VouchedGrant {
  readonly grant: Grant;
  readonly caller: VouchedCaller;
}

/** Makes the key if need be. Throws CALLER_NOT_ALLOWED when there is no such organization or team. */
export async function grantVouched({ issuer, subject, place, endMs }: VouchedIdentity, { database, clock }: Pick<PolicyDependencies, "database" | "clock">): Promise<VouchedGrant> {
  const { organization, team, role, labels } = place;
  const grant = await ensureVouchedKey(database, { id: newId("key", clock), issuer, subject, organization, team, role, createTime: new Date(clock.now()) });
  if (grant === undefined) throw new GatewayError("CALLER_NOT_ALLOWED", `The rule under \`identity\` that fits this caller (${issuer}) names an organization or a team that there is not. Ask your operator to check it.`, { metadata: { issuer } });
  const { permissions, reach } = factsOf(role);
  return { grant, caller: create(VouchedCallerSchema, { expireTime: timestampFromMs(Math.floor(endMs)), permissions: [...permissions], reach, labels }) };
}
