/** Owns the way from ReasoningOptions to Anthropic's `thinking` and effort. */
import { ReasoningOptions_Effort, ToolChoice_Mode, type ReasoningOptions } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Effort, ModelFacts } from "./model-facts.ts";
import type { Block, Turn } from "../../domain/translation/turns.ts";
import type { Warnings as AnthropicWarnings } from "../../domain/translation/warnings.ts";

/** Also of a vendor that offers Anthropic's models. */
type Warnings = Pick<AnthropicWarnings, "add">;

export interface ThinkingJson {
  readonly thinking?: { readonly type: string; readonly budget_tokens?: number; readonly display?: string };
  readonly effort?: Effort;
}

/** The least budget Anthropic takes; source: ThinkingConfigEnabled in @anthropic-ai/sdk. */
const minimumBudgetTokens = 1024;

/**
 * What each level means: the effort for models that have levels, and the budget for those that think by budget alone.
 * Effort source: https://platform.claude.com/docs/en/build-with-claude/effort, which has no level below "low".
 * Budget source: DEFAULT_REASONING_EFFORT_*_THINKING_BUDGET in https://github.com/BerriAI/litellm/blob/main/litellm/constants.py;
 * Anthropic states no such table.
 */
const levels: ReadonlyMap<ReasoningOptions_Effort, { readonly effort: Effort; readonly budgetTokens: number }> = new Map([
  [ReasoningOptions_Effort.MINIMAL, { effort: "low", budgetTokens: minimumBudgetTokens }],
  [ReasoningOptions_Effort.LOW, { effort: "low", budgetTokens: 1024 }],
  [ReasoningOptions_Effort.MEDIUM, { effort: "medium", budgetTokens: 2048 }],
  [ReasoningOptions_Effort.HIGH, { effort: "high", budgetTokens: 4096 }],
  [ReasoningOptions_Effort.EXTRA_HIGH, { effort: "xhigh", budgetTokens: 8192 }],
  [ReasoningOptions_Effort.MAXIMUM, { effort: "max", budgetTokens: 16_384 }],
]);

/** Empty when the request says nothing of reasoning. */
export function writeThinking({ reasoning, toolChoice }: Pick<Generation, "reasoning" | "toolChoice">, turns: readonly Turn[], facts: ModelFacts, maximumTokens: number, warnings: Warnings): ThinkingJson {
  if (reasoning === undefined) return {};
  const level = levels.get(reasoning.effort);
  const effort = level === undefined ? {} : writeEffort(level.effort, facts, warnings);
  if (reasoning.effort === ReasoningOptions_Effort.NONE || reasoning.budgetTokens === 0n) return { ...effort, ...writeDisabled(facts, warnings) };
  const budgetTokens = reasoning.budgetTokens === undefined ? level?.budgetTokens : Number(reasoning.budgetTokens);
  if (budgetTokens === undefined && !reasoning.adaptive) {
    if (reasoning.includeText !== undefined) warnings.add("reasoning.include_text", "it counts only where reasoning is asked for.");
    return {};
  }
  if (facts.thinking === "none") {
    warnings.add("reasoning", "this model cannot reason; it answers without.");
    return {};
  }
  // Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking (feature compatibility).
  if (toolChoice?.mode === ToolChoice_Mode.REQUIRED || toolChoice?.mode === ToolChoice_Mode.NAMED) {
    warnings.add("reasoning", "it cannot be combined with a forced tool call; the model calls without reasoning.");
    return { ...effort, ...writeDisabled(facts, warnings) };
  }
  const isUnthought = goesOnUnthought(turns);
  if (isUnthought && facts.thinking === "budget") {
    warnings.add("reasoning", "this model cannot begin to think amid its own turn, and the thinking at the turn's beginning was not sent back; it goes on without.");
    return effort;
  }
  const display = reasoning.includeText === undefined ? {} : { display: reasoning.includeText ? "summarized" : "omitted" };
  if (usesBudget(reasoning, facts, isUnthought, warnings)) {
    const budget = writeBudget(budgetTokens ?? minimumBudgetTokens, maximumTokens, warnings);
    return budget === undefined ? effort : { ...effort, thinking: { type: "enabled", budget_tokens: budget, ...display } };
  }
  return { ...effort, thinking: { type: "adaptive", ...display } };
}

/**
 * True where the model goes on with a turn of its own, between calls of tools, that does not begin with its thinking: a client did
 * not send that back, or another model began. With a budget, such a conversation is refused: "a final `assistant` message must start
 * with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks)" (https://github.com/anomalyco/opencode/issues/3077).
 */
function goesOnUnthought(turns: readonly Turn[]): boolean {
  const question = turns.findLastIndex(({ role, content }) => role === "user" && !content.some(isResult));
  const first = turns.slice(question + 1).find(({ role }) => role === "assistant")?.content[0];
  return first !== undefined && !isThought(first);
}

/** In Anthropic's form, or in Bedrock's. */
function isResult(block: Block): boolean {
  return block["type"] === "tool_result" || "toolResult" in block;
}

function isThought(block: Block): boolean {
  return block["type"] === "thinking" || block["type"] === "redacted_thinking" || "reasoningContent" in block;
}

function usesBudget(reasoning: ReasoningOptions, facts: ModelFacts, isUnthought: boolean, warnings: Warnings): boolean {
  const asksForBudget = reasoning.budgetTokens !== undefined;
  switch (facts.thinking) {
    case "budget":
      if (reasoning.adaptive) warnings.add("reasoning.adaptive", "this model thinks by a budget alone, so a budget is set.");
      return true;
    case "either":
      if (asksForBudget && isUnthought) warnings.add("reasoning.budget_tokens", "the thinking at the beginning of the model's own turn was not sent back, so it decides by itself how much to think.");
      return asksForBudget && !isUnthought;
    default:
      if (asksForBudget) warnings.add("reasoning.budget_tokens", "this model takes no budget; it decides by itself how much to think.");
      return false;
  }
}

/** The budget must stay below the output maximum, which it is a part of; undefined when there is no room for the least one. */
function writeBudget(budgetTokens: number, maximumTokens: number, warnings: Warnings): number | undefined {
  const budget = Math.min(Math.max(budgetTokens, minimumBudgetTokens), maximumTokens - 1);
  if (budget < minimumBudgetTokens) {
    warnings.add("reasoning", `thinking needs an output maximum above ${minimumBudgetTokens} tokens; the model answers without.`);
    return undefined;
  }
  if (budget !== budgetTokens) warnings.add("reasoning.budget_tokens", `the budget is ${budget} tokens instead of ${budgetTokens}.`);
  return budget;
}

function writeDisabled(facts: ModelFacts, warnings: Warnings): ThinkingJson {
  if (facts.thinking === "always") {
    warnings.add("reasoning.effort", "this model always reasons.");
    return {};
  }
  // A model that thinks only when told to needs no word; older ones do not know the field.
  return facts.thinking === "none" || facts.thinking === "budget" ? {} : { thinking: { type: "disabled" } };
}

/** The level, or the highest below it that the model has; a model without levels is steered by its budget instead. */
function writeEffort(effort: Effort, facts: ModelFacts, warnings: Warnings): ThinkingJson {
  if (facts.efforts.length === 0 || facts.efforts.includes(effort)) return facts.efforts.length === 0 ? {} : { effort };
  const nearest = facts.efforts.filter((candidate) => ranks[candidate] < ranks[effort]).at(-1) ?? facts.efforts[0]!;
  warnings.add("reasoning.effort", `this model has no effort "${effort}"; "${nearest}" is used.`);
  return { effort: nearest };
}

const ranks: Readonly<Record<Effort, number>> = { low: 0, medium: 1, high: 2, xhigh: 3, max: 4 };
