/** Owns ListCredentials. */
import { create } from "@bufbuild/protobuf";
import { ListCredentialsResponseSchema, type ListCredentialsRequest, type ListCredentialsResponse } from "#gen/weir/providers/v1/credential_pb.ts";
import { selectCredentials } from "../store/credentials.ts";
import type { CredentialParts } from "./credential-parts.ts";

const defaultSize = 100;

export async function listCredentials({ organizationId, provider, pageSize, pageToken }: ListCredentialsRequest, { stored }: CredentialParts): Promise<ListCredentialsResponse> {
  const size = pageSize === 0 ? defaultSize : pageSize;
  // The token is the last id of the page before: ids sort by their time of birth.
  const found = await selectCredentials(await stored.database(), organizationId, provider, pageToken, size);
  const credentials = found.slice(0, size);
  return create(ListCredentialsResponseSchema, { credentials, nextPageToken: found.length > size ? credentials.at(-1)!.id : "" });
}
