/** Owns DeleteCredential. */
import { create } from "@bufbuild/protobuf";
import { DeleteCredentialResponseSchema, type DeleteCredentialRequest, type DeleteCredentialResponse } from "#gen/weir/providers/v1/credential_pb.ts";
import { deleteCredentialRow } from "../store/credentials.ts";
import type { CredentialParts } from "./credential-parts.ts";

export async function deleteCredential({ credentialId }: DeleteCredentialRequest, { stored }: CredentialParts): Promise<DeleteCredentialResponse> {
  await deleteCredentialRow(await stored.database(), credentialId);
  return create(DeleteCredentialResponseSchema);
}
