/** Owns ResolveGrant. */
import { create } from "@bufbuild/protobuf";
import { ResolveGrantResponseSchema, type ResolveGrantRequest, type ResolveGrantResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { PolicyDependencies } from "../dependencies.ts";
import { findGrant, findGrantByDigest } from "../store/keys.ts";

export async function resolveGrant({ secretDigest, keyId }: ResolveGrantRequest, { database }: PolicyDependencies): Promise<ResolveGrantResponse> {
  const grant = keyId === "" ? await findGrantByDigest(database, secretDigest) : await findGrant(database, keyId);
  if (grant === undefined) throw new GatewayError("KEY_INVALID", "This key is not known. Check that it belongs to this installation, or have a new one created.");
  return create(ResolveGrantResponseSchema, { grant });
}
