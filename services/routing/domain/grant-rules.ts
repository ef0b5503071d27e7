/** Owns which of the rules that policy pushes are for a grant. */
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { WatchRulesResponse } from "#gen/weir/policy/v1/rule_set_pb.ts";
import type { RateLimit } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { readRateLimit, type AppliedLimit } from "./rate-limits/rate-limit.ts";

/** The rules for one grant, by kind. */
export interface GrantRules {
  readonly guardrails: readonly GuardrailRule[];
  readonly rateLimits: readonly AppliedLimit[];
}

/** Where the rules for a grant are found; undefined where there are none. */
export type RuleSource = (grant: Grant) => GrantRules | undefined;

/** Whose calls a rule applies to; empty means everybody's. */
interface RuleScope {
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
}

/** Undefined where no rule is for the grant. */
export function rulesFor(grant: Grant, { guardrails, rateLimits }: WatchRulesResponse): GrantRules | undefined {
  const rules: GrantRules = {
    guardrails: guardrails.filter((rule) => isFor(grant, rule)),
    rateLimits: rateLimits.filter(({ rule }) => isFor(grant, rule!)).map(appliedOf).filter((limit) => limit !== undefined),
  };
  return Object.values(rules).some((kind: readonly unknown[]) => kind.length > 0) ? rules : undefined;
}

/** Read once: tokens bring a grant of their own with every request. */
function appliedOf(limit: RateLimit): AppliedLimit | undefined {
  if (!applied.has(limit)) applied.set(limit, readRateLimit(limit));
  return applied.get(limit);
}

const applied = new WeakMap<RateLimit, AppliedLimit | undefined>();

/** Whether a rule applies to calls of the grant. */
export function isFor(grant: Grant, { organizationId, teamId, keyId }: RuleScope): boolean {
  return (organizationId === "" || organizationId === grant.organizationId) && (teamId === "" || teamId === grant.teamId) && (keyId === "" || keyId === grant.keyId);
}
