/** Owns CreateTeam. */
import { create } from "@bufbuild/protobuf";
import { CreateTeamResponseSchema, type CreateTeamRequest, type CreateTeamResponse } from "#gen/weir/policy/v1/team_pb.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { readName } from "../../domain/names.ts";
import { visibleTo } from "../../domain/reach.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findTeam, insertTeam } from "../../store/teams.ts";

export async function createTeam({ requestId, organizationId, ...request }: CreateTeamRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<CreateTeamResponse> {
  const name = readName(request.name);
  const id = newId("team", clock);
  const team = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateTeam", identity, requestId, input: [organizationId, name], resultId: id });
    if (answeredId !== undefined) return findTeam(transaction, answeredId, visibleTo(identity));
    return insertTeam(transaction, { id, organizationId, name, createTime: new Date(clock.now()) });
  });
  return create(CreateTeamResponseSchema, { team });
}
