/** Owns CreateRateLimit. */
import { create } from "@bufbuild/protobuf";
import { CreateRateLimitRequestSchema, CreateRateLimitResponseSchema, type CreateRateLimitRequest, type CreateRateLimitResponse } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { limitConditions, readCondition } from "#platform/condition.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { ownedBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findRateLimit, insertRateLimit } from "../../store/rate-limits.ts";
import { checkRuleScope } from "../../store/rule-scope.ts";

export async function createRateLimit(request: CreateRateLimitRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<CreateRateLimitResponse> {
  const { requestId } = request;
  const rule = { ...request.rule!, organizationId: ownedBy(identity, request.rule!.organizationId) };
  readCondition(rule.where, limitConditions);
  const id = newId("rlm", clock);
  const rateLimit = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateRateLimit", identity, requestId, input: inputOf(CreateRateLimitRequestSchema, request), resultId: id });
    if (answeredId !== undefined) return findRateLimit(transaction, answeredId);
    await checkRuleScope(transaction, rule);
    return insertRateLimit(transaction, { id, rule, createTime: new Date(clock.now()) });
  });
  return create(CreateRateLimitResponseSchema, { rateLimit });
}
