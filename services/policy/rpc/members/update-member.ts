/** Owns UpdateMember. */
import { create } from "@bufbuild/protobuf";
import { UpdateMemberRequestSchema, UpdateMemberResponseSchema, type UpdateMemberRequest, type UpdateMemberResponse } from "#gen/weir/policy/v1/member_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { factsOf } from "../../domain/roles.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findMember, lockMember, updateMemberRole } from "../../store/members.ts";

export async function updateMember(request: UpdateMemberRequest, { identity }: CallContext, { database }: PolicyDependencies): Promise<UpdateMemberResponse> {
  const { memberId, role, requestId } = request;
  const member = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "UpdateMember", identity, requestId, input: inputOf(UpdateMemberRequestSchema, request), resultId: memberId });
    if (answeredId === undefined) {
      const present = await lockMember(transaction, memberId, changeableBy(identity));
      for (const one of [present.role, role]) checkWithin({ ...factsOf(one), scopes: [] }, identity);
      await updateMemberRole(transaction, memberId, role);
    }
    return findMember(transaction, memberId);
  });
  return create(UpdateMemberResponseSchema, { member });
}
