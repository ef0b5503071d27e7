/** Owns RotateKey. */
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { RotateKeyRequestSchema, RotateKeyResponseSchema, type RotateKeyRequest, type RotateKeyResponse } from "#gen/weir/policy/v1/key_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { newKeySecret, storedForm } from "../../key-secrets.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findKey, lockKey, replaceSecret } from "../../store/keys.ts";

const defaultOverlapMs = 24 * 3_600_000;

export async function rotateKey(request: RotateKeyRequest, { identity }: CallContext, { database, pepper, clock }: PolicyDependencies): Promise<RotateKeyResponse> {
  const { keyId, requestId } = request;
  const overlapMs = request.overlap === undefined ? defaultOverlapMs : durationMs(request.overlap);
  const secret = newKeySecret();
  return database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "RotateKey", identity, requestId, input: inputOf(RotateKeyRequestSchema, request), resultId: keyId });
    if (answeredId !== undefined) return create(RotateKeyResponseSchema, { key: await findKey(transaction, keyId) });
    const { key, grant } = await lockKey(transaction, keyId, changeableBy(identity));
    // Whoever rotates a key gets to hold it.
    checkWithin(grant, identity);
    if (grant.revoked) throw new GatewayError("INVALID_REQUEST", "The key is revoked, and a revoked key gets no new secret. Create another key.");
    if (key.issuer !== "") throw new GatewayError("INVALID_REQUEST", `The key has no secret: its caller comes by ${key.issuer}. Revoke it, or create another key.`);
    await replaceSecret(transaction, keyId, { ...storedForm(secret, pepper), previousExpireTime: new Date(clock.now() + overlapMs) });
    return create(RotateKeyResponseSchema, { key: await findKey(transaction, keyId), secret: secret.reveal() });
  });
}
