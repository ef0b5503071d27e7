/** Owns ResolveGrant. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ResolveGrantResponseSchema, type ResolveGrantRequest, type ResolveGrantResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { PolicyDependencies } from "../dependencies.ts";
import type { VouchedIdentity } from "../domain/vouched-identity.ts";
import { factsOf } from "../domain/roles.ts";
import { identityOfCertificate } from "../edge/client-certificate.ts";
import type { IdentityTokens } from "../edge/identity-tokens.ts";
import { findGrant, findGrantByDigest } from "../store/keys.ts";
import { ensureVouchedKey } from "../store/vouched-keys.ts";

export async function resolveGrant({ secretDigest, keyId, identityToken, clientCertificate }: ResolveGrantRequest, dependencies: PolicyDependencies, tokens: IdentityTokens): Promise<ResolveGrantResponse> {
  if (identityToken !== "") return resolveVouched(await tokens.verify(identityToken), dependencies);
  if (clientCertificate.length > 0) return resolveVouched(identityOfCertificate(clientCertificate, dependencies.config.current.certificates), dependencies);
  const { database } = dependencies;
  const grant = keyId === "" ? await findGrantByDigest(database, secretDigest) : await findGrant(database, keyId);
  if (grant === undefined) throw new GatewayError("KEY_INVALID", "This key is not known. Check that it belongs to this installation, or have a new one created.");
  return create(ResolveGrantResponseSchema, { grant });
}

async function resolveVouched({ issuer, subject, place, endMs }: VouchedIdentity, { database, clock }: PolicyDependencies): Promise<ResolveGrantResponse> {
  const { organization, team, role, labels } = place;
  const grant = await ensureVouchedKey(database, { id: newId("key", clock), issuer, subject, organization, team, role, createTime: new Date(clock.now()) });
  if (grant === undefined) throw new GatewayError("CALLER_NOT_ALLOWED", `The rule under \`identity\` that fits this caller (${issuer}) names an organization or a team that there is not. Ask your operator to check it.`, { metadata: { issuer } });
  const { permissions, reach } = factsOf(role);
  return create(ResolveGrantResponseSchema, { grant, caller: { expireTime: timestampFromMs(Math.floor(endMs)), permissions: [...permissions], reach, labels } });
}
