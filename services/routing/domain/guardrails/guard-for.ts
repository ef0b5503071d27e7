/** Owns which guardrails are for a call. */
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { Plan } from "../targets/plan.ts";
import { CallGuard, type Finding } from "./call-guard.ts";
import { compiledRule } from "./compiled-rules.ts";
import type { AskOutside, CheckedCall } from "./outside/outside-check.ts";

/** Undefined where none is for the call. Throws GUARDRAIL_UNAVAILABLE for one that this version cannot carry out. */
export function guardFor(call: CheckedCall, plan: Plan, rules: readonly GuardrailRule[], onFinding: (finding: Finding) => void, ask: AskOutside): CallGuard | undefined {
  const applying = rules.map(compiledRule).filter(({ models }) => models.length === 0 || models.some((name) => isMeant(name, call.model, plan)));
  return applying.length === 0 ? undefined : new CallGuard(applying, onFinding, { call, ask });
}

/** Of these rules those that are for calls of the model. */
export function rulesMeant(model: string, plan: Plan, rules: readonly GuardrailRule[]): readonly GuardrailRule[] {
  return rules.filter(({ models }) => models.length === 0 || models.some((name) => isMeant(name, model, plan)));
}

/** A rule for a target is for every call that may reach it. */
export function isMeant(name: string, model: string, { route, targets }: Plan): boolean {
  if (name === model || name === route) return true;
  return targets.some((target) => name === target.name || name === `${target.provider.name}/*`);
}
