/** Owns UpdateTeam. */
import { create } from "@bufbuild/protobuf";
import { UpdateTeamRequestSchema, UpdateTeamResponseSchema, type UpdateTeamRequest, type UpdateTeamResponse } from "#gen/weir/policy/v1/team_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { readName } from "../../domain/names.ts";
import { changeableBy, checkNotOwn } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findTeam, renameTeam, suspendTeam } from "../../store/teams.ts";

export async function updateTeam(request: UpdateTeamRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<UpdateTeamResponse> {
  const { teamId: id, requestId, suspended } = request;
  const paths = request.updateMask?.paths ?? [];
  const team = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "UpdateTeam", identity, requestId, input: inputOf(UpdateTeamRequestSchema, request), resultId: id });
    const present = await findTeam(transaction, id, changeableBy(identity));
    if (answeredId !== undefined) return present;
    if (paths.includes("name")) await renameTeam(transaction, present, readName(request.name));
    if (paths.includes("suspended")) {
      if (suspended) checkNotOwn("team", id, identity);
      await suspendTeam(transaction, id, suspended ? new Date(clock.now()) : undefined);
    }
    return findTeam(transaction, id, changeableBy(identity));
  });
  return create(UpdateTeamResponseSchema, { team });
}
