/** Owns what policy takes from the configuration: who callers are, and the rules that stand in the file. */
import { create } from "@bufbuild/protobuf";
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { RateLimitSchema, type RateLimit, type RateLimitRule } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { limitConditions, readCondition } from "#platform/condition.ts";
import { inField, refuseRepeated } from "#platform/config-file/faults.ts";
import { itemPath } from "#platform/config-file/field-path.ts";
import { readAlertConfig, type AlertConfig } from "./alert-config.ts";
import { readBudgetConfig } from "./budget-config.ts";
import { readConsoleClient, type ConsoleClient } from "./console-config.ts";
import { checkGuardrail } from "./domain/check-guardrail.ts";
import { readIdentityConfig, type IdentityConfig } from "./identity-config.ts";
import type { ConfiguredBudget } from "./store/configured-budgets.ts";

export interface PolicyConfig extends IdentityConfig {
  readonly guardrails: readonly GuardrailRule[];
  readonly rateLimits: readonly RateLimit[];
  readonly budgets: readonly ConfiguredBudget[];
  readonly alerts: AlertConfig;
  /** Undefined where people sign in to the console by a key alone. */
  readonly console: ConsoleClient | undefined;
}

/** Throws INVALID_REQUEST when an issuer, or the name of a rule or webhook, is there twice, or a pattern, condition, budget or webhook cannot be used. */
export function readPolicyConfig({ identity, guardrails, rateLimits, budgets, alerts, console }: Config): PolicyConfig {
  checkNames("guardrails", guardrails);
  checkNames("rate_limits", rateLimits);
  for (const [index, rule] of guardrails.entries()) inField(itemPath("guardrails", index), () => checkGuardrail(rule));
  const identityConfig = readIdentityConfig(identity);
  return { ...identityConfig, console: readConsoleClient(console, identityConfig), guardrails, rateLimits: rateLimits.map((rule, index) => inField(itemPath("rate_limits", index), () => configuredLimit(rule))), budgets: readBudgetConfig(budgets), alerts: readAlertConfig(alerts) };
}

// By its name, so that what was counted stays counted when the file is read again.
function configuredLimit(rule: RateLimitRule): RateLimit {
  readCondition(rule.where, limitConditions);
  return create(RateLimitSchema, { id: `weir.yaml:${rule.name}`, rule });
}

function checkNames(field: string, rules: readonly { readonly name: string }[]): void {
  refuseRepeated(field, rules.map(({ name }) => name), (name) => `two are called "${name}". Give each a name of its own: it is by the name that people are told which one decided.`);
}
