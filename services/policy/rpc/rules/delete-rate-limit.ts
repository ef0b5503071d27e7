/** Owns DeleteRateLimit. */
import { create } from "@bufbuild/protobuf";
import { DeleteRateLimitRequestSchema, DeleteRateLimitResponseSchema, type DeleteRateLimitRequest, type DeleteRateLimitResponse } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { deleteRateLimitById } from "../../store/rate-limits.ts";

export async function deleteRateLimit(request: DeleteRateLimitRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<DeleteRateLimitResponse> {
  const { rateLimitId, requestId } = request;
  await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "DeleteRateLimit", identity, requestId, input: inputOf(DeleteRateLimitRequestSchema, request), resultId: rateLimitId });
    if (answeredId === undefined) await deleteRateLimitById(transaction, rateLimitId, changeableBy(identity), new Date(clock.now()));
  });
  return create(DeleteRateLimitResponseSchema);
}
