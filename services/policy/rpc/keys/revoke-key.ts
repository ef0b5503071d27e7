/** Owns RevokeKey. */
import { create } from "@bufbuild/protobuf";
import { RevokeKeyRequestSchema, RevokeKeyResponseSchema, type RevokeKeyRequest, type RevokeKeyResponse } from "#gen/weir/policy/v1/key_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findKey, lockKey, revokeKeyById } from "../../store/keys.ts";

export async function revokeKey(request: RevokeKeyRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<RevokeKeyResponse> {
  const { keyId, requestId } = request;
  const key = await database.transaction(async (transaction) => {
    // Revoking is repeatable by itself; the claim only refuses the same id for another key.
    await claimRequest(transaction, { method: "RevokeKey", identity, requestId, input: inputOf(RevokeKeyRequestSchema, request), resultId: keyId });
    const { grant } = await lockKey(transaction, keyId, changeableBy(identity));
    checkWithin(grant, identity);
    await revokeKeyById(transaction, keyId, new Date(clock.now()));
    return findKey(transaction, keyId);
  });
  return create(RevokeKeyResponseSchema, { key });
}
