/** Owns the explanation of a decision, for ExplainDecision: the rules that apply, how each stands, which one decides, and the targets. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { AppliedRuleSchema, PlannedTargetSchema, RuleKind, type AppliedRule, type PlannedTarget } from "#gen/weir/routing/v1/decision_pb.ts";
import { GatewayError, type Reason } from "#platform/errors.ts";
import type { Sights } from "./dry-run.ts";
import type { Plan, Target } from "./targets/plan.ts";
import type { OrderSights, TargetOrder } from "./targets/target-order.ts";

/** The bound of a key that speaks against a call, by the reason. */
const keyBounds: Readonly<Partial<Record<Reason, string>>> = {
  KEY_REVOKED: "revoked",
  KEY_SUSPENDED: "suspended",
  KEY_EXPIRED: "expiry",
  PERMISSION_DENIED: "role",
  MODEL_NOT_ALLOWED: "scope.models",
  PROVIDER_NOT_ALLOWED: "scope.providers",
  OPERATION_NOT_ALLOWED: "scope.operations",
  ADDRESS_NOT_ALLOWED: "scope.ip_ranges",
  ORIGIN_NOT_ALLOWED: "scope.origins",
};

/** Those that apply, as far as the call got; `refusal` is undefined for one that is allowed. */
export function appliedRules({ limits, budgets, neededNanos, findings }: Sights, guardrails: readonly GuardrailRule[], refusal: GatewayError | undefined): AppliedRule[] {
  const keyBound = refusal && keyBounds[refusal.reason];
  const { rate_limit: limitId, budget_id: budgetId, guardrail } = refusal?.metadata ?? {};
  return [
    ...(keyBound === undefined ? [] : [create(AppliedRuleSchema, { kind: RuleKind.KEY, name: keyBound, decides: true })]),
    ...limits.toSorted((left, right) => (left.limit.name < right.limit.name ? -1 : 1)).map(({ limit: { id, name, count, amount }, counted, needed, remaining }) =>
      create(AppliedRuleSchema, {
        kind: RuleKind.RATE_LIMIT,
        name,
        id,
        decides: id === limitId,
        state: { case: "rateLimit", value: { count, amount: BigInt(amount), remaining: BigInt(remaining), needed: BigInt(needed), counter: counted } },
      }),
    ),
    ...budgets.map(({ id, name, enforcement, usage }) =>
      create(AppliedRuleSchema, { kind: RuleKind.BUDGET, name, id, decides: id === budgetId, state: { case: "budget", value: { enforcement, usage: usage!, neededNanos } } }),
    ),
    ...guardrails.map(({ name, mode }) => {
      const found = findings.filter(({ rule }) => rule === name).map(({ detector }) => detector);
      return create(AppliedRuleSchema, { kind: RuleKind.GUARDRAIL, name, decides: name === guardrail, state: { case: "guardrail", value: { mode, found: [...new Set(found)] } } });
    }),
  ];
}

/** In their order, with what they have their places by; those that were passed over say why. */
export function plannedTargets({ targets, order }: Plan, orderSights: OrderSights, { failures }: Sights): PlannedTarget[] {
  return targets.map((target) => {
    const error = failures.find((failure) => failure.target.name === target.name)?.error;
    const refusal = error instanceof GatewayError ? { reason: ErrorReason[error.reason], message: error.message } : {};
    return create(PlannedTargetSchema, { name: target.name, standing: standingOf(target, order, orderSights), ...refusal });
  });
}

type Standing = PlannedTarget["standing"];

function standingOf(target: Target, order: TargetOrder, { nanosAt, latencyAt }: OrderSights): Standing {
  if (order.by === "weight") return standing("weight", order.weights[target.name]);
  if (order.by === "price") return standing("estimatedNanos", nanosAt(target));
  const ms = order.by === "latency" ? latencyAt(target).ms : undefined;
  return standing("latency", ms === undefined ? undefined : durationFromMs(Math.round(ms)));
}

function standing<Case extends NonNullable<Standing["case"]>>(name: Case, value: Extract<Standing, { case: Case }>["value"] | undefined): Standing {
  return value === undefined ? unknownStanding : ({ case: name, value } as Standing);
}

const unknownStanding: Standing = { case: undefined };
