/** Owns UpdateKey. */
import { create } from "@bufbuild/protobuf";
import { Consistency, UpdateKeyRequestSchema, UpdateKeyResponseSchema, type Key, type UpdateKeyRequest, type UpdateKeyResponse } from "#gen/weir/policy/v1/key_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { checkExpireTime, checkLabels, checkScope, readName } from "../../domain/names.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { factsOf } from "../../domain/roles.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findKey, lockKey, updateKeyRow } from "../../store/keys.ts";

export async function updateKey(request: UpdateKeyRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<UpdateKeyResponse> {
  const { keyId, requestId } = request;
  const key = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "UpdateKey", identity, requestId, input: inputOf(UpdateKeyRequestSchema, request), resultId: keyId });
    if (answeredId === undefined) {
      const { key: present, grant } = await lockKey(transaction, keyId, changeableBy(identity));
      checkWithin(grant, identity);
      const changed = { ...present, ...changesOf(request, clock.now()) };
      checkWithin({ ...factsOf(changed.role), scopes: changed.scope === undefined ? [] : [changed.scope], expireTime: changed.expireTime }, identity);
      await updateKeyRow(transaction, changed);
    }
    return findKey(transaction, keyId);
  });
  return create(UpdateKeyResponseSchema, { key });
}

/** What the mask names, as the request has it. */
function changesOf({ updateMask, name, scope, labels, expireTime, consistency }: UpdateKeyRequest, nowMs: number): Partial<Key> {
  const paths = updateMask?.paths ?? [];
  const changes: Partial<Key> = {};
  if (paths.includes("name")) changes.name = readName(name);
  if (paths.includes("labels")) {
    checkLabels(labels);
    changes.labels = labels;
  }
  if (paths.includes("scope")) {
    checkScope(scope);
    changes.scope = scope!;
  }
  if (paths.includes("expire_time")) {
    checkExpireTime(expireTime, nowMs);
    changes.expireTime = expireTime!;
  }
  if (paths.includes("consistency")) changes.consistency = consistency || Consistency.STALE_OK;
  return changes;
}
