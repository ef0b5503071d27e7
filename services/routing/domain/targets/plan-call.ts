/** Owns where a call may go: its facts told to the plan, and the targets put in the order in which they are tried. */
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { CallFacts } from "#platform/condition.ts";
import { authorizePlan } from "../admission/admit.ts";
import { noSize } from "../call-size.ts";
import type { Call } from "../call.ts";
import { lazyValue } from "../lazy-value.ts";
import type { PipelineDependencies } from "../pipeline.ts";
import { estimatedNanos } from "../rate-limits/call-spending.ts";
import { accountOperations, isAccountOperation, type OperationName } from "./capability.ts";
import { planTargets, type Plan, type PlanningView } from "./plan.ts";
import { routingFactsOf } from "./route-case.ts";
import { drawFrom, orderTargets, type OrderSights, type TargetOrder } from "./target-order.ts";

/** Where the call may go, in the order in which it is tried. Throws MODEL_NOT_FOUND, MODEL_NOT_ALLOWED, PROVIDER_NOT_ALLOWED. */
export function planOf(call: Call, dependencies: OrderDependencies): Plan {
  const { model, grant } = call;
  const plan = call.plan ?? authorizePlan(model, planFor(call, dependencies.view()), grant);
  if (plan.order.by === "listed") return plan;
  const targets = orderTargets(plan.targets, plan.order, orderSightsOf(call, plan.order, dependencies));
  if (plan.order.by === "latency") dependencies.latencies.claim(targets[0]!.name, (call.size ?? noSize).isStream);
  return { ...plan, targets };
}

/** What of a call decides on its route's targets. */
export type PlannedCall = Pick<Call, "model" | "grant" | "operation" | "labels" | "size" | "needs">;

/** Where the call may go, as listed, whatever its key allows. Throws MODEL_NOT_FOUND. */
export function planFor(call: PlannedCall, view: PlanningView): Plan {
  return planTargets(call.model, view, () => routingFactsOf(factsOf(call, view), call.size, call.needs));
}

type OrderDependencies = Pick<PipelineDependencies, "view" | "budgets" | "latencies" | "random">;

/** What the order of this call's targets goes by. */
export function orderSightsOf(call: Call, order: TargetOrder, { budgets, latencies, random }: OrderDependencies): OrderSights {
  const { isStream, tokens } = call.size ?? noSize;
  const size = lazyValue(tokens);
  const alike = order.by === "weight" && Object.hasOwn(call.labels, order.stickyLabel) ? call.labels[order.stickyLabel] : undefined;
  return {
    drawOf: alike === undefined ? random : ({ name }) => drawFrom([call.grant.organizationId, alike, name]),
    nanosAt: (target) => estimatedNanos(call, size(), target, () => budgets.rates(target, call.grant.organizationId, call.operation === "batches")),
    latencyAt: ({ name }) => latencies.of(name, isStream),
  };
}

export function factsOf({ grant, model, operation, labels }: PlannedCall, { routes }: PlanningView): CallFacts {
  return {
    organization: grant.organizationId,
    team: grant.teamId,
    key: grant.keyId,
    member: grant.memberId,
    model,
    route: routes.has(model) ? model : "",
    operation: operationWord(operation),
    labels,
  };
}

/** The operation by its RPC, for rules. */
export function operationWord(operation: OperationName): string {
  return isAccountOperation(operation) ? accountOperations[operation] : InferenceService.method[operation].name;
}
