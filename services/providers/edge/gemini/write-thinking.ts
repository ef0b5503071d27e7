/** Owns the way from ReasoningOptions to Gemini's `thinkingConfig`. */
import { ReasoningOptions_Effort, type ReasoningOptions } from "#gen/weir/inference/v1/generation_pb.ts";
import type { JsonObject } from "../../domain/translation/vendor-json.ts";
import type { ModelFacts, Thinking, ThinkingLevel } from "./model-facts.ts";
import type { Warnings } from "../../domain/translation/warnings.ts";

/**
 * What each effort means, as level and as budget. Source: the table of https://ai.google.dev/gemini-api/docs/openai#thinking
 * ("reasoning_effort"); it ends at high: what is above is more of it where the model has more, and all that it can where it has not.
 */
const efforts: ReadonlyMap<ReasoningOptions_Effort, { readonly level: ThinkingLevel; readonly budgetTokens: number }> = new Map([
  [ReasoningOptions_Effort.MINIMAL, { level: "minimal", budgetTokens: 1024 }],
  [ReasoningOptions_Effort.LOW, { level: "low", budgetTokens: 1024 }],
  [ReasoningOptions_Effort.MEDIUM, { level: "medium", budgetTokens: 8192 }],
  [ReasoningOptions_Effort.HIGH, { level: "high", budgetTokens: 24_576 }],
  [ReasoningOptions_Effort.EXTRA_HIGH, { level: "xhigh", budgetTokens: 32_768 }],
  [ReasoningOptions_Effort.MAXIMUM, { level: "xhigh", budgetTokens: 32_768 }],
]);

/** Lets the model decide. */
const dynamicBudget = -1;

/** Empty when the request says nothing of reasoning. */
export function writeThinking(reasoning: ReasoningOptions | undefined, { thinking }: ModelFacts, warnings: Warnings): JsonObject {
  if (reasoning === undefined) return {};
  const config = { ...writeAmount(reasoning, thinking, warnings), ...(reasoning.includeText === undefined || thinking.by === "none" ? {} : { includeThoughts: reasoning.includeText }) };
  return Object.keys(config).length === 0 ? {} : { thinkingConfig: config };
}

function writeAmount(reasoning: ReasoningOptions, thinking: Thinking, warnings: Warnings): JsonObject {
  const isOff = reasoning.effort === ReasoningOptions_Effort.NONE || reasoning.budgetTokens === 0n;
  if (thinking.by === "none") {
    if (!isOff && (budgetOf(reasoning) !== undefined || reasoning.includeText === true)) warnings.add("reasoning", "this model cannot reason; it answers without.");
    return {};
  }
  if (thinking.by === "budget") {
    const budget = isOff ? 0 : budgetOf(reasoning);
    return budget === undefined ? {} : { thinkingBudget: fitBudget(budget, reasoning, thinking, warnings) };
  }
  const level = isOff ? lowest(thinking.levels, warnings) : levelOf(reasoning, thinking.levels, warnings);
  return level === undefined ? {} : { thinkingLevel: level };
}

function budgetOf({ budgetTokens, effort, adaptive }: ReasoningOptions): number | undefined {
  return budgetTokens === undefined ? (efforts.get(effort)?.budgetTokens ?? (adaptive ? dynamicBudget : undefined)) : Number(budgetTokens);
}

function fitBudget(budget: number, { budgetTokens }: ReasoningOptions, { minimum, maximum, canBeOff }: Thinking & { by: "budget" }, warnings: Warnings): number {
  if (budget === dynamicBudget || (budget === 0 && canBeOff)) return budget;
  if (budget === 0) {
    warnings.add("reasoning.effort", `this model always reasons; its least budget, ${minimum} tokens, is set.`);
    return minimum;
  }
  const fitting = Math.min(Math.max(budget, minimum), maximum);
  // What an effort stands for ends where the model does.
  if (fitting !== budget && budgetTokens !== undefined) warnings.add("reasoning.budget_tokens", `the budget is ${fitting} tokens instead of ${budget}.`);
  return fitting;
}

function lowest(levels: readonly ThinkingLevel[], warnings: Warnings): ThinkingLevel {
  warnings.add("reasoning.effort", `this model always reasons; its lowest level, "${levels[0]!}", is set.`);
  return levels[0]!;
}

/** Undefined where the model decides by itself. */
function levelOf({ effort, budgetTokens }: ReasoningOptions, levels: readonly ThinkingLevel[], warnings: Warnings): ThinkingLevel | undefined {
  if (budgetTokens !== undefined) {
    const level = efforts.get(effort)?.level ?? levelFor(Number(budgetTokens));
    const nearest = nearestOf(level, levels);
    warnings.add("reasoning.budget_tokens", `this model takes no budget; its level "${nearest}" is set.`);
    return nearest;
  }
  const level = efforts.get(effort)?.level;
  if (level === undefined) return undefined;
  const nearest = nearestOf(level, levels);
  const asksForAll = effort === ReasoningOptions_Effort.MAXIMUM && nearest === levels.at(-1);
  if (nearest !== level && !asksForAll) warnings.add("reasoning.effort", `this model has no level "${level}"; "${nearest}" is set.`);
  return nearest;
}

function levelFor(budgetTokens: number): ThinkingLevel {
  if (budgetTokens <= 1024) return "low";
  return budgetTokens <= 8192 ? "medium" : "high";
}

/** The level itself, or the next one above it that the model has; the table's own way: minimal is low, and medium is high, where they are missing. */
function nearestOf(level: ThinkingLevel, levels: readonly ThinkingLevel[]): ThinkingLevel {
  return levels.find((candidate) => ranks[candidate] >= ranks[level]) ?? levels.at(-1)!;
}

const ranks: Readonly<Record<ThinkingLevel, number>> = { minimal: 0, low: 1, medium: 2, high: 3, xhigh: 4 };
