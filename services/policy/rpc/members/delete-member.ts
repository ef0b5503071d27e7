/** Owns DeleteMember. */
import { create } from "@bufbuild/protobuf";
import { DeleteMemberRequestSchema, DeleteMemberResponseSchema, type DeleteMemberRequest, type DeleteMemberResponse } from "#gen/weir/policy/v1/member_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { factsOf } from "../../domain/roles.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { deleteMemberById, lockMember } from "../../store/members.ts";

export async function deleteMember(request: DeleteMemberRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<DeleteMemberResponse> {
  const { memberId, requestId } = request;
  await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "DeleteMember", identity, requestId, input: inputOf(DeleteMemberRequestSchema, request), resultId: memberId });
    if (answeredId !== undefined) return;
    const { role } = await lockMember(transaction, memberId, changeableBy(identity));
    checkWithin({ ...factsOf(role), scopes: [] }, identity);
    await deleteMemberById(transaction, memberId, new Date(clock.now()));
  });
  return create(DeleteMemberResponseSchema);
}
