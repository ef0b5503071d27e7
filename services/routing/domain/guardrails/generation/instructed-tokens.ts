/** Owns the tokens of a call with the instructions that guardrails add to it, as rate limits count them before the reply. */
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { Call } from "../../call.ts";
import type { Plan } from "../../targets/plan.ts";
import { estimateBytes, type TokenCount } from "../../rate-limits/token-estimate.ts";
import { compiledRule } from "../compiled-rules.ts";
import { rulesMeant } from "../guard-for.ts";
import { instructionsOf } from "./instructions.ts";

/** `asked` itself where nothing is added; the plan is made only where something could be. */
export function instructedTokens(asked: TokenCount, { model, generation }: Call, rules: readonly GuardrailRule[], plan: () => Plan): TokenCount {
  const instructing = generation === undefined ? [] : rules.filter(({ instruction }) => instruction !== undefined);
  if (instructing.length === 0) return asked;
  const instructions = instructionsOf(rulesMeant(model, plan(), instructing).map(compiledRule));
  if (instructions === undefined) return asked;
  const { before, after } = instructions;
  return { ...asked, input: asked.input + estimateBytes(before.length + after.length).input };
}
