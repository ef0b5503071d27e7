/** Owns RoutingService.ExplainDecision. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { AppliedRuleSchema, ExplainDecisionResponseSchema, type AppliedRule, type ExplainDecisionRequest, type ExplainDecisionResponse } from "#gen/weir/routing/v1/decision_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { authorizeMethod, letIn, type GrantSource, type OpenGrant } from "../domain/admission/admit.ts";
import { capableTargets } from "../domain/targets/capability.ts";
import { appliedRules, plannedTargets } from "../domain/decision.ts";
import { dryRun, type Peeks, type Sights } from "../domain/dry-run.ts";
import { rulesMeant } from "../domain/guardrails/guard-for.ts";
import type { Call } from "../domain/call.ts";
import { runCall, type PipelineDependencies } from "../domain/pipeline.ts";
import { orderSightsOf, planOf } from "../domain/targets/plan-call.ts";
import type { Plan } from "../domain/targets/plan.ts";
import { explainedCall } from "./explained-call.ts";
import { callOf, grantOf, type InferenceDependencies } from "./inference-dependencies.ts";

interface ExplainDependencies extends InferenceDependencies {
  readonly grants: Pick<GrantSource, "ageMs" | "heardWithin"> & { ofKey(keyId: string): Promise<OpenGrant> };
  readonly peeks: Peeks;
  readonly clock: Clock;
}

/** Each asks policy several times, beside the calls: no key is to hold those up by asking much. */
const mostAtOnce = 8;

export function createExplainDecision(dependencies: ExplainDependencies): (request: ExplainDecisionRequest, context: CallContext) => Promise<ExplainDecisionResponse> {
  let running = 0;
  return async (request, context) => {
    if (running >= mostAtOnce) throw new GatewayError("OVERLOADED", `${mostAtOnce} decisions are being explained already. Try again in a moment.`, { retryAfterMs: 1_000 });
    running++;
    try {
      return await explainDecision(request, context, dependencies);
    } finally {
      running--;
    }
  };
}

/** Throws NOT_FOUND for a key that the caller does not reach, PERMISSION_DENIED for a caller who may ask of the own key alone. */
async function explainDecision(asked: ExplainDecisionRequest, context: CallContext, dependencies: ExplainDependencies): Promise<ExplainDecisionResponse> {
  const request = { ...asked, text: asked.text || "Hello" };
  const own = grantOf(context);
  const opened = await openGrant(request.keyId, own, dependencies);
  const { pipeline, sights } = dryRun(dependencies.pipeline, dependencies.peeks);
  const caller = { ...context, identity: { kind: "caller", grant: opened.grant } as const };
  const call = callOf(caller, explainedCall(request, caller, dependencies), request.labels);
  try {
    await admit(request, opened, dependencies);
    const reply = await runCall(call, pipeline);
    const waits = sights.waitsFor === "" ? [] : [`It would wait for room in the budget "${sights.waitsFor}".`];
    const unasked = seesRules(own) ? [...sights.unasked].map(([rule, judge]) => `The guardrail "${rule}" would ask ${judge}, which is not asked now, and taken to allow.`) : [];
    const warnings = reply.warnings().map(({ field, message }) => `${field}: ${message}`);
    return create(ExplainDecisionResponseSchema, { allowed: true, ...describe(call, pipeline, sights, undefined, own), notes: [...waits, ...unasked, ...warnings] });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.reason === "INTERNAL" || error.reason === "CANCELLED") throw error;
    return create(ExplainDecisionResponseSchema, { reason: ErrorReason[error.reason], message: error.message, ...describe(call, pipeline, sights, error, own) });
  }
}

async function openGrant(keyId: string, own: Grant, { grants }: ExplainDependencies): Promise<OpenGrant> {
  if (keyId === "" || keyId === own.keyId) return { grant: own, endMs: Infinity };
  if (!seesRules(own)) {
    throw new GatewayError("PERMISSION_DENIED", "This key may ask of its own calls alone. Leave out key_id, or use a key that sees who is there.", { metadata: { permission: "TENANCY_READ" } });
  }
  const opened = await grants.ofKey(keyId).catch((error: unknown) => {
    if (error instanceof GatewayError && error.reason === "KEY_INVALID") return undefined;
    throw error;
  });
  const isReached = own.reach === Reach.INSTALLATION || opened?.grant.organizationId === own.organizationId;
  if (opened !== undefined && isReached) return opened;
  throw new GatewayError("NOT_FOUND", "There is no key of this id. ListKeys shows those there are.", { metadata: { kind: "key", id: keyId } });
}

/** Others learn of the rules what a refusal tells them. */
function seesRules({ permissions }: Grant): boolean {
  return permissions.includes(Permission.TENANCY_READ);
}

/** The checks at the door. */
async function admit({ operation, address, origin }: ExplainDecisionRequest, opened: OpenGrant, { grants, clock }: ExplainDependencies): Promise<void> {
  const grant = await letIn({ credential: undefined, address: address || "an unknown address", origin: origin || undefined }, opened, grants, clock.now());
  const method = InferenceService.methods.find(({ name }) => name === (operation || "Generate"))!;
  authorizeMethod(method, grant);
}

function describe(call: Call, pipeline: PipelineDependencies, sights: Sights, refusal: GatewayError | undefined, asker: Grant) {
  const plan = planWhereItIs(call, pipeline);
  const guardrails = plan === undefined ? [] : rulesMeant(call.model, plan, pipeline.rulesOf(call.grant)?.guardrails ?? []);
  const rules = appliedRules(sights, guardrails, refusal);
  return {
    rules: seesRules(asker) ? rules : rules.filter(({ decides }) => decides).map(withoutState),
    ...(plan !== undefined && { route: plan.route, ...takenCase(plan, asker), targets: plannedTargets(plan, orderSightsOf(call, plan.order, pipeline), sights) }),
  };
}

/** Conditions name teams and keys of any organization. */
function takenCase({ takenCase: taken }: Plan, { reach }: Grant): MessageInitShape<typeof ExplainDecisionResponseSchema> {
  if (taken === undefined) return {};
  return { routeCase: { position: taken.position, where: reach === Reach.INSTALLATION ? taken.routeCase.where : "" } };
}

function withoutState({ kind, name, id, decides }: AppliedRule): AppliedRule {
  return create(AppliedRuleSchema, { kind, name, id, decides });
}

/** Undefined for a call that comes to no plan, which its refusal says. */
function planWhereItIs(call: Call, pipeline: PipelineDependencies): Plan | undefined {
  try {
    const plan = planOf(call, pipeline);
    return { ...plan, targets: capableTargets(call.operation, call.model, plan.targets, pipeline.view()) };
  } catch {
    return undefined;
  }
}
