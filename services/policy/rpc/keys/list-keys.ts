/** Owns ListKeys. */
import { create } from "@bufbuild/protobuf";
import { ListKeysResponseSchema, type ListKeysRequest, type ListKeysResponse } from "#gen/weir/policy/v1/key_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { selectKeys } from "../../store/keys.ts";

export async function listKeys(request: ListKeysRequest, { database }: PolicyDependencies): Promise<ListKeysResponse> {
  const { organizationId, teamId } = request;
  const scope = ["keys", organizationId, teamId];
  const page = readPage(request, scope, 1);
  const found = await selectKeys(database, organizationId, teamId, page);
  const { entries, nextPageToken } = cutPage(found, page, scope, ({ id }) => [id]);
  return create(ListKeysResponseSchema, { keys: entries, nextPageToken });
}
