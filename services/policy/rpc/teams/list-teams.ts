/** Owns ListTeams. */
import { create } from "@bufbuild/protobuf";
import { ListTeamsResponseSchema, type ListTeamsRequest, type ListTeamsResponse } from "#gen/weir/policy/v1/team_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { selectTeams } from "../../store/teams.ts";

export async function listTeams(request: ListTeamsRequest, { database }: PolicyDependencies): Promise<ListTeamsResponse> {
  const scope = ["teams", request.organizationId];
  const page = readPage(request, scope, 2);
  const found = await selectTeams(database, request.organizationId, page);
  const { entries, nextPageToken } = cutPage(found, page, scope, ({ name, id }) => [name, id]);
  return create(ListTeamsResponseSchema, { teams: entries, nextPageToken });
}
