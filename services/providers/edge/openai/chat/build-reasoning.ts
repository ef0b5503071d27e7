/** Owns reasoning on the way to Chat Completions: how much of it, and what earlier replies held. */
import type { ReasoningPart } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort, type ReasoningOptions } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { originOf } from "../../../domain/translation/signature-origin.ts";
import type { Warnings } from "../../../domain/translation/warnings.ts";
import type { OpenaiQuirks, ReasoningEffort } from "../compatible/quirks.ts";

/** The members of the request for how much to reason; none where the model would take its tools with reasoning not at all. */
export function buildReasoning({ reasoning }: Pick<Generation, "reasoning">, model: string, hasTools: boolean, warnings: Warnings, quirks: OpenaiQuirks): object {
  if (!hasTools || quirks.reasonsWithoutTools?.test(model) !== true) return buildAmount(reasoning, warnings, quirks);
  if (!isTurnedOff(reasoning)) warnings.add("reasoning", "In Chat Completions this model takes tools without reasoning alone; it answers without.");
  return { reasoning_effort: "none" };
}

export function isTurnedOff(reasoning: ReasoningOptions | undefined): boolean {
  return reasoning?.effort === ReasoningOptions_Effort.NONE || reasoning?.budgetTokens === 0n;
}

function buildAmount(reasoning: ReasoningOptions | undefined, warnings: Warnings, quirks: OpenaiQuirks): object {
  if (reasoning === undefined) return {};
  if (quirks.reasoningField === "reasoning") return buildReasoningObject(reasoning, warnings, quirks);
  if (reasoning.includeText === true && quirks.reasoningReturn === "none") {
    warnings.add("reasoning.include_text", "Chat Completions keeps the reasoning hidden, unless the server shows it on its own.");
  }
  const effort = effortOf(reasoning, warnings, quirks);
  return effort === undefined ? {} : { reasoning_effort: effort };
}

/** The level; of a bound in tokens the nearest one. Undefined where nothing is said. */
export function effortOf({ effort, budgetTokens }: ReasoningOptions, warnings: Warnings, quirks: OpenaiQuirks): ReasoningEffort | undefined {
  const word = wordFor(effort, warnings, quirks);
  if (word !== undefined || budgetTokens === undefined) return word;
  const nearest = nearestOf(effortForBudget(budgetTokens), quirks);
  warnings.add("reasoning.budget_tokens", `The vendor takes no bound in tokens; reasoning_effort ${nearest} is sent instead.`);
  return nearest;
}

/** Source: https://openrouter.ai/docs/use-cases/reasoning-tokens; of effort and bound only one can be said. */
function buildReasoningObject({ effort, budgetTokens, includeText }: ReasoningOptions, warnings: Warnings, quirks: OpenaiQuirks): object {
  const word = wordFor(effort, warnings, quirks);
  if (word !== undefined && budgetTokens !== undefined) warnings.add("reasoning.budget_tokens", "The vendor takes a level or a bound in tokens, not both; the level is sent.");
  const members = {
    ...(word === undefined ? {} : { effort: word }),
    ...(word === undefined && budgetTokens !== undefined ? { max_tokens: Number(budgetTokens) } : {}),
    ...(includeText === undefined ? {} : { exclude: !includeText }),
  };
  return Object.keys(members).length === 0 ? {} : { reasoning: members };
}

function wordFor(effort: ReasoningOptions_Effort, warnings: Warnings, quirks: OpenaiQuirks): ReasoningEffort | undefined {
  const word = words.get(effort);
  if (word === undefined) return undefined;
  const nearest = nearestOf(word, quirks);
  if (nearest !== word) warnings.add("reasoning.effort", `The vendor has no effort ${word}; ${nearest} is sent instead.`);
  return nearest;
}

const words: ReadonlyMap<ReasoningOptions_Effort, ReasoningEffort> = new Map<ReasoningOptions_Effort, ReasoningEffort>([
  [ReasoningOptions_Effort.NONE, "none"],
  [ReasoningOptions_Effort.MINIMAL, "minimal"],
  [ReasoningOptions_Effort.LOW, "low"],
  [ReasoningOptions_Effort.MEDIUM, "medium"],
  [ReasoningOptions_Effort.HIGH, "high"],
  [ReasoningOptions_Effort.EXTRA_HIGH, "xhigh"],
  [ReasoningOptions_Effort.MAXIMUM, "max"],
]);

const ranks: readonly ReasoningEffort[] = [...words.values()];

/** The word itself, or the next lower one that the server has, or its lowest. */
function nearestOf(word: ReasoningEffort, { reasoningEfforts }: OpenaiQuirks): ReasoningEffort {
  return reasoningEfforts.findLast((known) => ranks.indexOf(known) <= ranks.indexOf(word)) ?? reasoningEfforts[0] ?? word;
}

function effortForBudget(budgetTokens: bigint): ReasoningEffort {
  if (budgetTokens === 0n) return "none";
  if (budgetTokens <= 2_048n) return "low";
  return budgetTokens <= 8_192n ? "medium" : "high";
}

/** The parts of the content that hold earlier reasoning; empty where it goes elsewhere, or cannot go. */
export function buildThinkingPart(part: ReasoningPart, warnings: Warnings, { reasoningReturn }: OpenaiQuirks): object | undefined {
  const { text } = part;
  noteUnreturned(part, warnings, reasoningReturn);
  if (reasoningReturn !== "thinking_part" || text === "") return undefined;
  const signature = ownSignature(part);
  return { type: "thinking", thinking: [{ type: "text", text }], ...(signature === "" ? {} : { signature }), closed: true };
}

function noteUnreturned({ text, signature, redactedData }: ReasoningPart, warnings: Warnings, reasoningReturn: OpenaiQuirks["reasoningReturn"]): void {
  if (reasoningReturn === "none") return warnings.add("messages.parts.reasoning", "Chat Completions takes no reasoning back; text and signatures are left out.");
  const isForeign = ownSignature({ signature }) !== signature;
  if (isForeign) warnings.add("messages.parts.reasoning.signature", "The vendor takes no signature of another one's; it is left out.");
  if (reasoningReturn === "reasoning_details") return;
  if (redactedData !== "") warnings.add("messages.parts.reasoning.redacted_data", "Reasoning that another vendor encrypted says nothing to this one; it is left out.");
  const isSigned = reasoningReturn === "thinking_part" && text !== "";
  if (signature !== "" && !isSigned && !isForeign) warnings.add("messages.parts.reasoning.signature", "The vendor has no place for what another signed its reasoning with; the signature is left out.");
}

/** Empty where another vendor is named in front of it. */
function ownSignature({ signature }: Pick<ReasoningPart, "signature">): string {
  return originOf(signature) === undefined ? signature : "";
}

/** The members of an assistant's message that hold its earlier reasoning. */
export function buildReasoningMembers(parts: readonly ReasoningPart[], { reasoningReturn }: OpenaiQuirks): object {
  if (parts.length === 0) return {};
  switch (reasoningReturn) {
    case "reasoning_content":
    case "reasoning":
      return { [reasoningReturn]: parts.map(({ text }) => text).join("") };
    case "reasoning_details":
      return { reasoning_details: parts.map(buildDetail) };
    default:
      return {};
  }
}

function buildDetail(part: ReasoningPart, index: number): object {
  const { text, redactedData, isSummary } = part;
  const signature = ownSignature(part);
  if (redactedData !== "") return { type: "reasoning.encrypted", data: redactedData, index };
  if (isSummary) return { type: "reasoning.summary", summary: text, index };
  return { type: "reasoning.text", text, ...(signature === "" ? {} : { signature }), index };
}
