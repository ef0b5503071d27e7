/** Owns DeleteGuardrail. */
import { create } from "@bufbuild/protobuf";
import { DeleteGuardrailRequestSchema, DeleteGuardrailResponseSchema, type DeleteGuardrailRequest, type DeleteGuardrailResponse } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { deleteGuardrailById } from "../../store/guardrails.ts";

export async function deleteGuardrail(request: DeleteGuardrailRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<DeleteGuardrailResponse> {
  const { guardrailId, requestId } = request;
  await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "DeleteGuardrail", identity, requestId, input: inputOf(DeleteGuardrailRequestSchema, request), resultId: guardrailId });
    if (answeredId === undefined) await deleteGuardrailById(transaction, guardrailId, changeableBy(identity), new Date(clock.now()));
  });
  return create(DeleteGuardrailResponseSchema);
}
