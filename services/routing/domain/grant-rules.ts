/** Owns which of the rules that policy pushes are for a grant. */
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { Grant, WatchRulesResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";

/** The rules for one grant, by kind. */
export interface GrantRules {
  readonly guardrails: readonly GuardrailRule[];
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
export function rulesFor(grant: Grant, { guardrails }: WatchRulesResponse): GrantRules | undefined {
  const rules: GrantRules = { guardrails: guardrails.filter((rule) => isFor(grant, rule)) };
  return Object.values(rules).some((kind: readonly unknown[]) => kind.length > 0) ? rules : undefined;
}

function isFor(grant: Grant, { organizationId, teamId, keyId }: RuleScope): boolean {
  return (organizationId === "" || organizationId === grant.organizationId) && (teamId === "" || teamId === grant.teamId) && (keyId === "" || keyId === grant.keyId);
}
