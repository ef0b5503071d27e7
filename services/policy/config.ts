/** Owns what policy takes from the configuration: the rules that stand in the file. */
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GatewayError } from "#platform/errors.ts";

export interface PolicyConfig {
  readonly guardrails: readonly GuardrailRule[];
}

/** Throws INVALID_REQUEST when two rules of a kind have the same name. */
export function readPolicyConfig({ guardrails }: Config): PolicyConfig {
  checkNames("guardrails", guardrails);
  return { guardrails };
}

function checkNames(field: string, rules: readonly { readonly name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of rules) {
    if (names.has(name)) throw new GatewayError("INVALID_REQUEST", `${field}: two are called "${name}". Give each a name of its own: it is by the name that people are told which one decided.`);
    names.add(name);
  }
}
