/** Owns CreateKey. */
import { create } from "@bufbuild/protobuf";
import { CreateKeyRequestSchema, CreateKeyResponseSchema, KeyRole, type CreateKeyRequest, type CreateKeyResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext } from "#platform/service-types.ts";
import type { PolicyDependencies } from "../dependencies.ts";
import { checkWithin } from "../domain/entitlement.ts";
import { checkExpireTime, checkLabels, checkScope, readName } from "../domain/names.ts";
import { inputOf } from "../domain/request-input.ts";
import { permissionsOf } from "../domain/roles.ts";
import { newKeySecret, storedForm } from "../key-secrets.ts";
import { claimRequest } from "../store/answered-requests.ts";
import { findKey, insertKey } from "../store/keys.ts";

export async function createKey(request: CreateKeyRequest, { identity }: CallContext, { database, pepper, clock }: PolicyDependencies): Promise<CreateKeyResponse> {
  const { requestId, teamId, scope, labels, expireTime } = request;
  const name = readName(request.name);
  const role = request.role === KeyRole.UNSPECIFIED ? KeyRole.INFERENCE : request.role;
  checkScope(scope);
  checkLabels(labels);
  checkExpireTime(expireTime, clock.now());
  checkWithin({ permissions: permissionsOf(role), scopes: scope === undefined ? [] : [scope], expireTime }, identity);

  const id = newId("key", clock);
  const secret = newKeySecret();
  return database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateKey", requestId, input: inputOf(CreateKeyRequestSchema, request), resultId: id });
    if (answeredId !== undefined) return create(CreateKeyResponseSchema, { key: await findKey(transaction, answeredId) });
    const key = await insertKey(transaction, { id, teamId, name, ...storedForm(secret, pepper), role, scope, labels, createTime: new Date(clock.now()), expireTime });
    return create(CreateKeyResponseSchema, { key, secret: secret.reveal() });
  });
}
