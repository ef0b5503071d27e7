/** Owns CreateMember. */
import { create } from "@bufbuild/protobuf";
import { CreateMemberRequestSchema, CreateMemberResponseSchema, type CreateMemberRequest, type CreateMemberResponse } from "#gen/weir/policy/v1/member_pb.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { inputOf } from "../../domain/request-input.ts";
import { factsOf } from "../../domain/roles.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findMember, insertMember } from "../../store/members.ts";

export async function createMember(request: CreateMemberRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<CreateMemberResponse> {
  const { organizationId, role, requestId } = request;
  checkWithin({ ...factsOf(role), scopes: [] }, identity);
  const id = newId("mem", clock);
  const member = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateMember", identity, requestId, input: inputOf(CreateMemberRequestSchema, request), resultId: id });
    if (answeredId !== undefined) return findMember(transaction, answeredId);
    return insertMember(transaction, { id, organizationId, email: request.email.toLowerCase(), role, createTime: new Date(clock.now()) });
  });
  return create(CreateMemberResponseSchema, { member });
}
