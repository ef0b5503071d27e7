/** Owns DeleteCredential. */
import { create } from "@bufbuild/protobuf";
import { DeleteCredentialResponseSchema, type DeleteCredentialRequest, type DeleteCredentialResponse } from "#gen/weir/providers/v1/credential_pb.ts";
import { deleteCredentialRow, findOwner } from "../store/credentials.ts";
import { eraseUnusedDataKey, lockDataKey } from "../store/data-keys.ts";
import type { CredentialParts } from "./credential-parts.ts";

/** Deleting twice changes nothing. */
export async function deleteCredential({ credentialId, organizationId: tenant }: DeleteCredentialRequest, { stored }: CredentialParts): Promise<DeleteCredentialResponse> {
  const database = await stored.database();
  const organizationId = await findOwner(database, credentialId, tenant);
  if (organizationId === undefined) return create(DeleteCredentialResponseSchema);
  await database.transaction(async (transaction) => {
    await lockDataKey(transaction, organizationId);
    await deleteCredentialRow(transaction, credentialId);
    await eraseUnusedDataKey(transaction, organizationId);
  });
  return create(DeleteCredentialResponseSchema, { organizationId });
}
