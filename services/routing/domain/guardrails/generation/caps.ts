/** Owns what of a generation is beyond the caps of guardrails, and what becomes of it then. */
import type { ReasoningOptions_Effort as Effort, Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GenerationCaps } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import { factsOf } from "../../targets/fitness.ts";
import type { Target } from "../../targets/plan.ts";
import type { CallGuard, Excess } from "../call-guard.ts";
import type { CompiledRule } from "../compiled-rules.ts";

/** What becomes of a generation under caps. */
export interface HeldGeneration {
  /** The output maximum, under whatever name the caller states one; undefined where no cap is on it, or the model's own is within the cap. */
  outputMaximumAt(target: Target): bigint | undefined;
  /** What else is otherwise than asked. */
  readonly changes: Partial<Pick<Generation, "sampling" | "candidateCount" | "reasoning" | "tools" | "toolChoice" | "parallelToolCalls">>;
  /** True where the caller's bytes would ask for what is not allowed. */
  readonly inTypes: boolean;
}

/** Reads the generation where a rule has caps. Throws GUARDRAIL_BLOCKED, and what reading it throws: what cannot be read cannot be held to anything. */
export function heldTo(rules: readonly CompiledRule[], read: () => { readonly generation: Generation; readonly unknownFields: readonly string[] }, guard: CallGuard): HeldGeneration {
  const capping = rules.filter(({ caps }) => caps !== undefined);
  if (capping.length === 0) return { outputMaximumAt: () => undefined, changes: {}, inTypes: false };
  const { generation: asked, unknownFields } = read();
  const held = capping.reduce((generation, rule) => heldToRule(generation, rule, guard), asked);
  const changes = Object.fromEntries(changeable.filter((name) => held[name] !== asked[name]).map((name) => [name, held[name]]));
  const limitsOutput = capping.some(({ mode, caps }) => enforces(mode) && caps!.maxOutputTokens !== undefined);
  return {
    outputMaximumAt(target) {
      if (!limitsOutput) return undefined;
      // Vendors refuse a maximum above the model's own.
      const ownMaximum = factsOf(target)?.maxOutputTokens;
      return statesNoMaximum(asked) && ownMaximum !== undefined && ownMaximum <= held.maxOutputTokens! ? undefined : held.maxOutputTokens;
    },
    changes,
    // Vendors name more and more of their own tools in fields of their own.
    inTypes: Object.keys(changes).length > 0 || (unknownFields.length > 0 && capping.some(limitsTools)),
  };
}

/** Below 1 a maximum may be none (budget/bound-of.ts). */
function statesNoMaximum({ maxOutputTokens }: Generation): boolean {
  return maxOutputTokens === undefined || maxOutputTokens < 1n;
}

const changeable = ["sampling", "candidateCount", "reasoning", "tools", "toolChoice", "parallelToolCalls"] as const;

function limitsTools({ mode, caps }: CompiledRule): boolean {
  return enforces(mode) && caps!.allowedTools.length + caps!.forbiddenTools.length > 0;
}

function enforces(mode: CompiledRule["mode"]): boolean {
  return mode === "clamp" || mode === "block";
}

function heldToRule(generation: Generation, rule: CompiledRule, guard: CallGuard): Generation {
  let held = generation;
  for (const check of checks) {
    const beyond = check(held, rule.caps!);
    if (beyond === undefined) continue;
    // A caller who did not say how much has done nothing to be blocked for.
    guard.exceeded(beyond.isUnstated === true && rule.mode === "block" ? { ...rule, mode: "clamp" } : rule, beyond);
    if (enforces(rule.mode)) held = { ...held, ...beyond.within };
  }
  return held;
}

interface Beyond extends Excess {
  readonly isUnstated?: boolean;
  /** What is within the caps. */
  readonly within: Partial<Generation>;
}

type Check = (generation: Generation, caps: GenerationCaps) => Beyond | undefined;

const checks: readonly Check[] = [
  (generation, { maxOutputTokens: most }) => {
    const isUnstated = statesNoMaximum(generation);
    if (most === undefined || (!isUnstated && generation.maxOutputTokens! <= most)) return undefined;
    const [asked, allowed] = isUnstated ? ["the model's own maximum", `at most ${most}`] : [String(generation.maxOutputTokens), String(most)];
    return { parameter: "max_output_tokens", asked, allowed, isUnstated, within: { maxOutputTokens: most } };
  },
  ({ sampling }, { minTemperature = 0, maxTemperature = Infinity }) => {
    const temperature = sampling?.temperature;
    if (sampling === undefined || temperature === undefined || (temperature >= minTemperature && temperature <= maxTemperature)) return undefined;
    const allowed = temperature < minTemperature ? minTemperature : maxTemperature;
    return { parameter: "temperature", asked: String(temperature), allowed: String(allowed), within: { sampling: { ...sampling, temperature: allowed } } };
  },
  ({ candidateCount = 1 }, { maxCandidates: most }) => {
    if (most === undefined || candidateCount <= most) return undefined;
    return { parameter: "candidate_count", asked: String(candidateCount), allowed: String(most), within: { candidateCount: most } };
  },
  ({ reasoning }, { maxReasoningEffort }) => {
    const most = efforts.indexOf(maxReasoningEffort);
    if (reasoning === undefined || most < 1 || reasoning.effort <= most) return undefined;
    return { parameter: "reasoning.effort", asked: efforts[reasoning.effort] ?? "more", allowed: maxReasoningEffort, within: { reasoning: { ...reasoning, effort: most as Effort } } };
  },
  ({ reasoning }, { maxReasoningTokens: most }) => {
    const tokens = reasoning?.budgetTokens;
    if (reasoning === undefined || tokens === undefined || most === undefined || tokens <= most) return undefined;
    return { parameter: "reasoning.budget_tokens", asked: String(tokens), allowed: String(most), within: { reasoning: { ...reasoning, budgetTokens: most } } };
  },
  (generation, { allowedTools, forbiddenTools }) => {
    const mayOffer = (tool: Tool): boolean => (allowedTools.length === 0 || allowedTools.includes(nameOf(tool))) && !forbiddenTools.includes(nameOf(tool));
    const { tools } = generation;
    const kept = tools.filter(mayOffer);
    if (kept.length === tools.length) return undefined;
    const others = tools.filter((tool) => !mayOffer(tool)).map(nameOf).join(", ");
    return { parameter: "tools", asked: others.slice(0, 200), allowed: kept.map(nameOf).join(", ").slice(0, 200) || "none of them", within: { tools: kept, ...choiceAmong(kept, generation) } };
  },
];

/** By their numbers in the contract. */
const efforts = ["", "none", "minimal", "low", "medium", "high", "extra_high", "maximum"];

/** A vendor refuses a choice among tools that it was not offered. */
function choiceAmong(kept: readonly Tool[], { toolChoice }: Generation): Partial<Generation> {
  if (kept.length === 0) return { toolChoice: undefined, parallelToolCalls: undefined };
  return toolChoice === undefined || toolChoice.name === "" || kept.some((tool) => nameOf(tool) === toolChoice.name) ? {} : { toolChoice: undefined };
}

/** A vendor's own tool goes by its type, which says what it does whatever the caller calls it: `web_search` of `web_search_20250305` and of `{"googleSearch": {}}` `google_search`. */
function nameOf({ kind }: Tool): string {
  if (kind.case !== "native") return kind.value?.name ?? "";
  const tool = parseJsonObject(kind.value.json);
  const word = typeof tool["type"] === "string" ? tool["type"] : (Object.keys(tool)[0] ?? "");
  return word.replace(/_\d{8}$/, "").replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
