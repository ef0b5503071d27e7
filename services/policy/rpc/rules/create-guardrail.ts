/** Owns CreateGuardrail. */
import { create } from "@bufbuild/protobuf";
import { CreateGuardrailRequestSchema, CreateGuardrailResponseSchema, type CreateGuardrailRequest, type CreateGuardrailResponse, type GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext, Identity } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkGuardrail } from "../../domain/check-guardrail.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { ownedBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findGuardrail, insertGuardrail } from "../../store/guardrails.ts";
import { checkRuleScope } from "../../store/rule-scope.ts";

export async function createGuardrail(request: CreateGuardrailRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<CreateGuardrailResponse> {
  const { requestId } = request;
  const rule = { ...request.rule!, organizationId: ownedBy(identity, request.rule!.organizationId) };
  checkGuardrail(rule);
  checkModel(rule, identity);
  const id = newId("grd", clock);
  const guardrail = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateGuardrail", identity, requestId, input: inputOf(CreateGuardrailRequestSchema, request), resultId: id });
    if (answeredId !== undefined) return findGuardrail(transaction, answeredId);
    await checkRuleScope(transaction, rule);
    return insertGuardrail(transaction, { id, rule, createTime: new Date(clock.now()) });
  });
  return create(CreateGuardrailResponseSchema, { guardrail });
}

/** A guardrail's own calls are not bound to the scopes of callers, so whoever makes it must be allowed its model. Throws PERMISSION_DENIED. */
function checkModel({ check }: GuardrailRule, identity: Identity): void {
  if (identity.kind === "service" || (check.case !== "moderation" && check.case !== "judge")) return;
  const { model } = check.value;
  const scopes = identity.grant.scopes.map((scope) => ({ ...scope, models: [model], providers: [model.slice(0, model.indexOf("/"))] }));
  checkWithin({ ...identity.grant, scopes }, identity);
}
