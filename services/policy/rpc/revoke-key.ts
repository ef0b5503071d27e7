/** Owns RevokeKey. */
import { create } from "@bufbuild/protobuf";
import { RevokeKeyResponseSchema, type RevokeKeyRequest, type RevokeKeyResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { PolicyDependencies } from "../dependencies.ts";
import { claimRequest } from "../store/answered-requests.ts";
import { revokeKeyById } from "../store/keys.ts";

export async function revokeKey({ keyId, requestId }: RevokeKeyRequest, { database, clock }: PolicyDependencies): Promise<RevokeKeyResponse> {
  const key = await database.transaction(async (transaction) => {
    await claimRequest(transaction, { method: "RevokeKey", requestId, input: [keyId], resultId: keyId });
    // Revoking is repeatable by itself; the claim only refuses the same id for another key.
    const revoked = await revokeKeyById(transaction, keyId, new Date(clock.now()));
    if (revoked === undefined) {
      throw new GatewayError("NOT_FOUND", "There is no key of this id. ListKeys shows those there are.", { metadata: { kind: "key", id: keyId } });
    }
    return revoked;
  });
  return create(RevokeKeyResponseSchema, { key });
}
