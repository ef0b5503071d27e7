/** Owns a whole Chat Completions request, made of types; its members stand in a fixed order, so that a retry has the same bytes. */
import { Modality, ReasoningOptions_Effort, type OutputFormat, type ReasoningOptions, type Sampling } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { buildMessages } from "./build-messages.ts";
import { buildTools } from "./build-tools.ts";
import { parseEmbeddedJson } from "./embedded-json.ts";
import { Limitations } from "./limitations.ts";

export const chatCompletionsPath = "/chat/completions";

/** Throws UNSUPPORTED_FIELD for what the vendor cannot honour when `generation.strict`, else warns. */
export function buildRequest(generation: Generation, model: string, stream: boolean): VendorRequest {
  const limitations = new Limitations(generation.strict);
  const body = {
    model,
    messages: buildMessages(generation.messages, limitations),
    ...buildTools(generation, limitations),
    ...buildOutputFormat(generation.outputFormat),
    ...buildReasoning(generation.reasoning, limitations),
    ...buildSampling(generation.sampling, limitations),
    ...buildLimits(generation),
    ...buildOutput(generation),
    ...buildReferences(generation),
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
  return {
    path: chatCompletionsPath,
    headers: {},
    body: Buffer.from(JSON.stringify(body)),
    warnings: limitations.warnings,
    // Types always carry the usage.
    withholdUsage: false,
  };
}

function buildOutputFormat(format: OutputFormat | undefined): object {
  switch (format?.kind.case) {
    case "text":
      return { response_format: { type: "text" } };
    case "jsonObject":
      return { response_format: { type: "json_object" } };
    case "jsonSchema": {
      const { name, description, jsonSchema, strict } = format.kind.value;
      return {
        response_format: {
          type: "json_schema",
          json_schema: {
            // The vendor wants a name; other dialects do not know one.
            name: name === "" ? "reply" : name,
            ...(description === "" ? {} : { description }),
            ...(jsonSchema === "" ? {} : { schema: parseEmbeddedJson(jsonSchema, "output_format.json_schema.json_schema") }),
            ...(strict === undefined ? {} : { strict }),
          },
        },
      };
    }
    default:
      return {};
  }
}

function buildReasoning(reasoning: ReasoningOptions | undefined, limitations: Limitations): object {
  if (reasoning === undefined) return {};
  if (reasoning.includeText === true) limitations.note("reasoning.include_text", "Chat Completions keeps the reasoning hidden, unless the server shows it on its own.");
  const word = efforts.get(reasoning.effort);
  if (word !== undefined) return { reasoning_effort: word };
  if (reasoning.budgetTokens === undefined) return {};
  const nearest = effortForBudget(reasoning.budgetTokens);
  limitations.note("reasoning.budget_tokens", `The vendor takes no bound in tokens; reasoning_effort ${nearest} is sent instead.`);
  return { reasoning_effort: nearest };
}

const efforts: ReadonlyMap<ReasoningOptions_Effort, string> = new Map<ReasoningOptions_Effort, string>([
  [ReasoningOptions_Effort.NONE, "none"],
  [ReasoningOptions_Effort.MINIMAL, "minimal"],
  [ReasoningOptions_Effort.LOW, "low"],
  [ReasoningOptions_Effort.MEDIUM, "medium"],
  [ReasoningOptions_Effort.HIGH, "high"],
  [ReasoningOptions_Effort.EXTRA_HIGH, "xhigh"],
  [ReasoningOptions_Effort.MAXIMUM, "max"],
]);

function effortForBudget(budgetTokens: bigint): string {
  if (budgetTokens === 0n) return "none";
  if (budgetTokens <= 2_048n) return "low";
  return budgetTokens <= 8_192n ? "medium" : "high";
}

function buildSampling(sampling: Sampling | undefined, limitations: Limitations): object {
  if (sampling === undefined) return {};
  if (sampling.topK !== undefined) limitations.note("sampling.top_k", "The vendor cannot choose among a number of candidates; it is left out.");
  return {
    ...present("temperature", sampling.temperature),
    ...present("top_p", sampling.topP),
    ...present("presence_penalty", sampling.presencePenalty),
    ...present("frequency_penalty", sampling.frequencyPenalty),
    ...buildSeed(sampling.seed, limitations),
    ...(Object.keys(sampling.logitBias).length === 0 ? {} : { logit_bias: sampling.logitBias }),
  };
}

function buildSeed(seed: bigint | undefined, limitations: Limitations): object {
  if (seed === undefined) return {};
  const number = Number(seed);
  if (Number.isSafeInteger(number)) return { seed: number };
  limitations.note("sampling.seed", "JSON cannot carry a seed beyond 2^53; it is left out.");
  return {};
}

function buildLimits({ maxOutputTokens, stopSequences, candidateCount }: Generation): object {
  return {
    ...present("max_completion_tokens", maxOutputTokens === undefined ? undefined : Number(maxOutputTokens)),
    ...(stopSequences.length === 0 ? {} : { stop: stopSequences }),
    ...present("n", candidateCount),
  };
}

function buildOutput({ logprobs, topLogprobs, modalities, audio, verbosity }: Generation): object {
  const words = modalities.flatMap((modality) => modalityWords.get(modality) ?? []);
  return {
    ...(logprobs ? { logprobs } : {}),
    ...present("top_logprobs", topLogprobs),
    ...(words.length === 0 ? {} : { modalities: words }),
    // Ids of custom voices begin with `voice_` and go in an object, names of voices go as they are.
    ...(audio === undefined ? {} : { audio: { voice: audio.voice.startsWith("voice_") ? { id: audio.voice } : audio.voice, format: audio.format } }),
    ...present("verbosity", verbosity),
  };
}

const modalityWords: ReadonlyMap<Modality, string> = new Map<Modality, string>([
  [Modality.TEXT, "text"],
  [Modality.AUDIO, "audio"],
  [Modality.IMAGE, "image"],
]);

function buildReferences({ serviceTier, endUser, metadata, store, promptCacheKey }: Generation): object {
  return {
    ...present("service_tier", serviceTier),
    ...present("safety_identifier", endUser),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...present("store", store),
    ...present("prompt_cache_key", promptCacheKey),
  };
}

function present(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}
