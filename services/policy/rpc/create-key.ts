/** Owns CreateKey. */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { CreateKeyResponseSchema, KeyRole, type CreateKeyRequest, type CreateKeyResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { newId } from "#platform/ids.ts";
import { digestOfKeySecret, formatKeySecret, keySecretRandomBytes, shownPartOfKeySecret } from "#platform/key-secret.ts";
import type { PolicyDependencies } from "../dependencies.ts";
import { checkAllowedModels, checkLabels, readName } from "../domain/names.ts";
import { claimRequest } from "../store/answered-requests.ts";
import { findKey, insertKey } from "../store/keys.ts";

export async function createKey(request: CreateKeyRequest, { database, pepper, clock }: PolicyDependencies): Promise<CreateKeyResponse> {
  const { requestId, teamId, allowedModels, labels } = request;
  const name = readName(request.name);
  const role = request.role === KeyRole.UNSPECIFIED ? KeyRole.INFERENCE : request.role;
  checkAllowedModels(allowedModels);
  checkLabels(labels);

  const id = newId("key", clock);
  const secret = formatKeySecret(randomBytes(keySecretRandomBytes));
  // Clients write the entries of a map in any order.
  const sortedLabels = Object.entries(labels).sort(([left], [right]) => (left < right ? -1 : 1));
  const input = [teamId, name, role, allowedModels, sortedLabels];
  return database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateKey", requestId, input, resultId: id });
    if (answeredId !== undefined) return create(CreateKeyResponseSchema, { key: (await findKey(transaction, answeredId))! });
    const key = await insertKey(transaction, {
      id,
      teamId,
      name,
      secretPrefix: shownPartOfKeySecret(secret),
      secretDigest: digestOfKeySecret(secret.reveal(), pepper),
      role,
      allowedModels,
      labels,
      createTime: new Date(clock.now()),
    });
    return create(CreateKeyResponseSchema, { key, secret: secret.reveal() });
  });
}
