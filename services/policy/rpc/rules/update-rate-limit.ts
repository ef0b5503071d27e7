/** Owns UpdateRateLimit. */
import { create } from "@bufbuild/protobuf";
import { UpdateRateLimitRequestSchema, UpdateRateLimitResponseSchema, type UpdateRateLimitRequest, type UpdateRateLimitResponse, type RateLimitRule } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { limitConditions, readCondition } from "#platform/condition.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findRateLimit, lockRateLimit, replaceRateLimit } from "../../store/rate-limits.ts";

export async function updateRateLimit(request: UpdateRateLimitRequest, { identity }: CallContext, { database }: PolicyDependencies): Promise<UpdateRateLimitResponse> {
  const { rateLimitId: id, requestId } = request;
  const rateLimit = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "UpdateRateLimit", identity, requestId, input: inputOf(UpdateRateLimitRequestSchema, request), resultId: id });
    if (answeredId !== undefined) return findRateLimit(transaction, id);
    const { rule } = await lockRateLimit(transaction, id, changeableBy(identity));
    return replaceRateLimit(transaction, id, changed(rule!, request));
  });
  return create(UpdateRateLimitResponseSchema, { rateLimit });
}

function changed(rule: RateLimitRule, { updateMask, amount, where }: UpdateRateLimitRequest): RateLimitRule {
  const paths = updateMask?.paths ?? [];
  if (paths.includes("amount") && amount === 0n) {
    const description = "The update mask names it, but the request lacks it.";
    throw new GatewayError("INVALID_REQUEST", `amount: ${description}`, { fieldViolations: [{ field: "amount", description }] });
  }
  if (paths.includes("where")) readCondition(where, limitConditions);
  return { ...rule, ...(paths.includes("amount") ? { amount } : {}), ...(paths.includes("where") ? { where } : {}) };
}
