/** Owns ListMembers. */
import { create } from "@bufbuild/protobuf";
import { ListMembersResponseSchema, type ListMembersRequest, type ListMembersResponse } from "#gen/weir/policy/v1/member_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { selectMembers } from "../../store/members.ts";

export async function listMembers(request: ListMembersRequest, { database }: PolicyDependencies): Promise<ListMembersResponse> {
  const scope = ["members", request.organizationId];
  const page = readPage(request, scope, 2);
  const found = await selectMembers(database, request.organizationId, page);
  const { entries, nextPageToken } = cutPage(found, page, scope, ({ email, id }) => [email, id]);
  return create(ListMembersResponseSchema, { members: entries, nextPageToken });
}
