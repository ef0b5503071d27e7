/** Owns UpdateCredential. */
import { create } from "@bufbuild/protobuf";
import { UpdateCredentialResponseSchema, type UpdateCredentialRequest, type UpdateCredentialResponse } from "#gen/weir/providers/v1/credential_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { updateCredentialRow } from "../store/credentials.ts";
import type { CredentialParts } from "./credential-parts.ts";

export async function updateCredential({ credentialId, organizationId, updateMask, name, weight, enabled }: UpdateCredentialRequest, { stored }: CredentialParts): Promise<UpdateCredentialResponse> {
  const paths = updateMask?.paths ?? [];
  if (paths.includes("name") && name === "") {
    const description = "A credential has a name.";
    throw new GatewayError("INVALID_REQUEST", `${description} Give one, or leave it out of \`update_mask\`.`, { fieldViolations: [{ field: "name", description }] });
  }
  const changes = {
    ...(paths.includes("name") && { name }),
    ...(paths.includes("weight") && { weight: weight === 0 ? 1 : weight }),
    ...(paths.includes("enabled") && { enabled }),
  };
  return create(UpdateCredentialResponseSchema, { credential: await updateCredentialRow(await stored.database(), credentialId, organizationId, changes) });
}
