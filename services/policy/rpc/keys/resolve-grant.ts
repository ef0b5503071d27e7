/** Owns ResolveGrant. */
import { create } from "@bufbuild/protobuf";
import { ResolveGrantResponseSchema, type ResolveGrantRequest, type ResolveGrantResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { identityOfCertificate } from "../../edge/client-certificate.ts";
import type { IdentityTokens } from "../../edge/identity-tokens.ts";
import type { Sessions } from "../../sessions.ts";
import { findGrant, findGrantByDigest } from "../../store/keys.ts";
import { grantVouched } from "../../vouched-grant.ts";

export async function resolveGrant({ secretDigest, keyId, identityToken, clientCertificate, sessionDigest }: ResolveGrantRequest, dependencies: PolicyDependencies, tokens: IdentityTokens, sessions: Sessions): Promise<ResolveGrantResponse> {
  if (sessionDigest.length > 0) return create(ResolveGrantResponseSchema, await sessions.find(sessionDigest));
  if (identityToken !== "") return create(ResolveGrantResponseSchema, await grantVouched(await tokens.verify(identityToken), dependencies));
  if (clientCertificate.length > 0) return create(ResolveGrantResponseSchema, await grantVouched(identityOfCertificate(clientCertificate, dependencies.config.current.certificates), dependencies));
  const { database } = dependencies;
  const grant = keyId === "" ? await findGrantByDigest(database, secretDigest) : await findGrant(database, keyId);
  if (grant === undefined) throw new GatewayError("KEY_INVALID", "This key is not known. Check that it belongs to this installation, or have a new one created.");
  return create(ResolveGrantResponseSchema, { grant });
}
