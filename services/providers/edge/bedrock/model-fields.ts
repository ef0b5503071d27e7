/** Owns what some families of models are told beside Converse's own fields, in `additionalModelRequestFields`. */
import { ReasoningOptions_Effort, type ReasoningOptions } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { samplingObstacle } from "../anthropic/build-request.ts";
import { factsOf } from "../anthropic/model-facts.ts";
import { writeThinking } from "../anthropic/write-thinking.ts";
import type { Warnings } from "../../domain/translation/warnings.ts";
import type { Block, Turn } from "../../domain/translation/turns.ts";

export interface ModelFields {
  /** Converse's own sampling fields. */
  readonly inferenceConfig: Block;
  /** Empty when there is nothing to say. */
  readonly additional: Block;
}

/** An output maximum for thinking within a budget, for a Claude whose own is not known: Anthropic's adapter takes the same. */
const fallbackMaximumTokens = 8192;

export function writeModelFields(generation: Generation, turns: readonly Turn[], model: string, warnings: Warnings): ModelFields {
  // An application's own inference profile has a name that says nothing of the model behind it: it counts as none of these.
  if (/claude/.test(model)) return writeClaude(generation, turns, model, warnings);
  const { maxOutputTokens, sampling, reasoning } = generation;
  const isNova = /amazon\.nova/.test(model);
  if (sampling?.topK !== undefined && !isNova) warnings.add("sampling.top_k", "it is known of Claude and Nova alone how they take it; it is left out.");
  return {
    inferenceConfig: {
      ...(maxOutputTokens === undefined ? {} : { maxTokens: Number(maxOutputTokens) }),
      ...writeSampling({ temperature: sampling?.temperature, topP: sampling?.topP }, warnings),
    },
    additional: {
      // Source: https://docs.aws.amazon.com/nova/latest/nova2-userguide/core-inference.html
      ...(sampling?.topK !== undefined && isNova ? { inferenceConfig: { topK: Number(sampling.topK) } } : {}),
      ...writeReasoning(reasoning, model, warnings),
    },
  };
}

/**
 * Claude takes Anthropic's own fields: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html,
 * …/claude-messages-adaptive-thinking.html and …/model-parameters-anthropic-claude-messages-request-response.html (top_k).
 */
function writeClaude(generation: Generation, turns: readonly Turn[], model: string, warnings: Warnings): ModelFields {
  const { maxOutputTokens, sampling } = generation;
  const facts = factsOf(model);
  const maximumTokens = maxOutputTokens === undefined ? (facts.maximumOutputTokens ?? fallbackMaximumTokens) : Number(maxOutputTokens);
  const { thinking, effort } = writeThinking(generation, turns, facts, maximumTokens, warnings);
  const asked: Record<string, number> = {};
  if (sampling?.temperature !== undefined) asked["temperature"] = sampling.temperature;
  if (sampling?.topP !== undefined) asked["top_p"] = sampling.topP;
  if (sampling?.topK !== undefined) asked["top_k"] = Number(sampling.topK);
  for (const [name, value] of Object.entries(asked)) {
    const obstacle = samplingObstacle(name, value, asked, facts, thinking);
    if (obstacle === undefined) continue;
    warnings.add(`sampling.${name}`, `${obstacle}; it is left out.`);
    delete asked[name];
  }
  // A budget must stay below the maximum, so that is said too.
  const saysMaximum = maxOutputTokens !== undefined || thinking?.budget_tokens !== undefined;
  return {
    inferenceConfig: { ...(saysMaximum ? { maxTokens: maximumTokens } : {}), ...writeSampling({ temperature: asked["temperature"], topP: asked["top_p"] }, warnings) },
    additional: {
      ...(asked["top_k"] === undefined ? {} : { top_k: asked["top_k"] }),
      ...(thinking === undefined ? {} : { thinking }),
      ...(effort === undefined ? {} : { output_config: { effort } }),
    },
  };
}

/** Bedrock's scale of temperatures ends at 1: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html */
function writeSampling({ temperature, topP }: { readonly temperature: number | undefined; readonly topP: number | undefined }, warnings: Warnings): Block {
  if (temperature !== undefined && temperature > 1) warnings.add("sampling.temperature", `Bedrock's temperature ends at 1; 1 is sent instead of ${temperature}.`);
  return { ...(temperature === undefined ? {} : { temperature: Math.min(temperature, 1) }), ...(topP === undefined ? {} : { topP }) };
}

/**
 * Sources: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html (off by default, three levels), and for
 * gpt-oss https://github.com/vercel/ai/tree/main/packages/amazon-bedrock.
 */
function writeReasoning(reasoning: ReasoningOptions | undefined, model: string, warnings: Warnings): Block {
  if (reasoning === undefined) return {};
  const isOff = reasoning.effort === ReasoningOptions_Effort.NONE || reasoning.budgetTokens === 0n;
  const isNova2 = /amazon\.nova-2/.test(model);
  const isGptOss = /openai\.gpt-oss/.test(model);
  if (isOff) {
    if (!isNova2) warnings.add("reasoning.effort", "it is not known how this model is told not to reason.");
    return {};
  }
  if (reasoning.includeText !== undefined) warnings.add("reasoning.include_text", "the model decides what it shows of its reasoning.");
  if (reasoning.budgetTokens !== undefined) warnings.add("reasoning.budget_tokens", "this model takes no budget; it decides by itself how much to think.");
  const isAsked = reasoning.adaptive || reasoning.effort !== ReasoningOptions_Effort.UNSPECIFIED || reasoning.budgetTokens !== undefined;
  if (!isAsked) return {};
  if (!isNova2 && !isGptOss) {
    warnings.add("reasoning", "it is not known how this model is told to reason; it is left out.");
    return {};
  }
  const level = levels.get(reasoning.effort) ?? "medium";
  return isNova2 ? { reasoningConfig: { type: "enabled", maxReasoningEffort: level } } : { reasoning_effort: level };
}

const levels: ReadonlyMap<ReasoningOptions_Effort, "low" | "medium" | "high"> = new Map([
  [ReasoningOptions_Effort.MINIMAL, "low"],
  [ReasoningOptions_Effort.LOW, "low"],
  [ReasoningOptions_Effort.MEDIUM, "medium"],
  [ReasoningOptions_Effort.HIGH, "high"],
  [ReasoningOptions_Effort.EXTRA_HIGH, "high"],
  [ReasoningOptions_Effort.MAXIMUM, "high"],
]);
