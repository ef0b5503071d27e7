/** Owns ResolveGrant. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ResolveGrantResponseSchema, type Grant, type ResolveGrantRequest, type ResolveGrantResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { PolicyDependencies } from "../dependencies.ts";
import { factsOf } from "../domain/roles.ts";
import type { IdentityTokens } from "../edge/identity-tokens.ts";
import { findGrant, findGrantByDigest } from "../store/keys.ts";
import { ensureVouchedKey } from "../store/vouched-keys.ts";

export async function resolveGrant({ secretDigest, keyId, identityToken }: ResolveGrantRequest, dependencies: PolicyDependencies, tokens: IdentityTokens): Promise<ResolveGrantResponse> {
  if (identityToken !== "") return resolveToken(identityToken, dependencies, tokens);
  const { database } = dependencies;
  const grant = keyId === "" ? await findGrantByDigest(database, secretDigest) : await findGrant(database, keyId);
  if (grant === undefined) throw new GatewayError("KEY_INVALID", "This key is not known. Check that it belongs to this installation, or have a new one created.");
  return create(ResolveGrantResponseSchema, { grant });
}

async function resolveToken(token: string, { database, clock }: PolicyDependencies, tokens: IdentityTokens): Promise<ResolveGrantResponse> {
  const { issuer, subject, place, endMs } = await tokens.verify(token);
  const { organization, team, role, labels } = place;
  const grant: Grant | undefined = await ensureVouchedKey(database, { id: newId("key", clock), issuer, subject, organization, team, role, createTime: new Date(clock.now()) });
  if (grant === undefined) throw new GatewayError("CALLER_NOT_ALLOWED", `The rule under identity.issuers that fits this caller of ${issuer} names an organization or a team that there is not. Ask your operator to check it.`, { metadata: { issuer } });
  const { permissions, reach } = factsOf(role);
  return create(ResolveGrantResponseSchema, { grant, caller: { expireTime: timestampFromMs(endMs), permissions: [...permissions], reach, labels } });
}
