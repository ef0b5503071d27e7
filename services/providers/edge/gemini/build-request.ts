/** Owns the way from types to the body of a generateContent request. */
import { Modality, type OutputFormat } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { warnOfOptions, type Option } from "../../domain/translation/asked-options.ts";
import { describedSchema } from "../../domain/translation/described-schema.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { InnerSplices, parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import { asObject, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { factsOf, type ModelFacts } from "./model-facts.ts";
import { withOwnContents } from "./own-contents.ts";
import { methodPath } from "./reply-json.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { writeConversation } from "./write-content.ts";
import { writeThinking } from "./write-thinking.ts";
import { writeTools } from "./write-tools.ts";

/** What Gemini has nothing like. */
const lacking: readonly Option[] = ["sampling.logit_bias", "end_user", "metadata", "verbosity", "prompt_cache_key"];

/** Throws UNSUPPORTED_FIELD for content Gemini cannot take, and for everything else it cannot honour when strict. */
export function buildRequest(generation: Generation, model: string, stream: boolean): VendorRequest {
  const warnings = new Warnings("Gemini", generation.strict);
  return vendorRequest(Buffer.from(JSON.stringify(writeBody(generation, model, warnings))), model, stream, warnings);
}

export function writeBody(generation: Generation, model: string, warnings: Warnings): JsonObject {
  const facts = factsOf(model);
  warnOfOptions("Gemini", lacking, generation, warnings);
  const config = writeConfig(generation, facts, warnings);
  return {
    ...writeConversation(generation.messages, facts, warnings),
    ...writeTools(generation, warnings),
    ...(Object.keys(config).length === 0 ? {} : { generationConfig: config }),
    ...writeServiceTier(generation.serviceTier, warnings),
    // Whether Google may log the call; it keeps no reply for later reference.
    ...(generation.store === undefined ? {} : { store: generation.store }),
  };
}

/** The caller's own bytes, without what other vendors left in them: the model stands in the path, and usage in every stream unasked. */
export function buildNativeRequest(asked: Uint8Array, model: string, stream: boolean, outputMaximum?: number): VendorRequest {
  const own = withOwnContents(asked, model);
  const body = own === undefined ? asked : spliceJson(asked, { contents: own["contents"] });
  return vendorRequest(outputMaximum === undefined ? body : withOutputMaximum(body, outputMaximum), model, stream, new Warnings("Gemini", false));
}

/** Google's JSON has two spellings of each name; it refuses a member that comes under both. */
function withOutputMaximum(body: Uint8Array, outputMaximum: number): Uint8Array {
  const asked = parseJsonObject(body);
  const config = "generation_config" in asked ? "generation_config" : "generationConfig";
  const member = "max_output_tokens" in asObject(asked[config]) ? "max_output_tokens" : "maxOutputTokens";
  return spliceJson(body, { [config]: new InnerSplices({ [member]: outputMaximum }) });
}

function vendorRequest(body: Uint8Array, model: string, stream: boolean, warnings: Warnings): VendorRequest {
  const path = methodPath(model, stream ? "streamGenerateContent?alt=sse" : "generateContent");
  return { path, headers: {}, body, warnings: warnings.list, withholdUsage: false };
}

function writeConfig(generation: Generation, facts: ModelFacts, warnings: Warnings): JsonObject {
  const { maxOutputTokens, stopSequences, logprobs, topLogprobs } = generation;
  return {
    ...writeSampling(generation, facts, warnings),
    ...writeCandidateCount(generation.candidateCount, facts, warnings),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens: Number(maxOutputTokens) }),
    ...(stopSequences.length === 0 ? {} : { stopSequences }),
    ...(logprobs ? { responseLogprobs: true, ...(topLogprobs === undefined ? {} : { logprobs: topLogprobs }) } : {}),
    ...writeFormat(generation.outputFormat),
    ...writeModalities(generation, warnings),
    ...writeThinking(generation.reasoning, facts, warnings),
  };
}

function writeSampling({ sampling }: Generation, facts: ModelFacts, warnings: Warnings): JsonObject {
  const asked: readonly (readonly [name: string, field: string, value: number | undefined, obstacle: string | undefined])[] = [
    ["temperature", "temperature", sampling?.temperature, facts.takesSampling ? undefined : "this model takes no sampling parameters"],
    ["topP", "top_p", sampling?.topP, facts.takesSampling ? undefined : "this model takes no sampling parameters"],
    ["topK", "top_k", sampling?.topK === undefined ? undefined : Number(sampling.topK), facts.takesSampling ? undefined : "this model takes no sampling parameters"],
    ["presencePenalty", "presence_penalty", sampling?.presencePenalty, penaltyObstacle(sampling?.presencePenalty, facts)],
    ["frequencyPenalty", "frequency_penalty", sampling?.frequencyPenalty, penaltyObstacle(sampling?.frequencyPenalty, facts)],
    ["seed", "seed", sampling?.seed === undefined ? undefined : Number(sampling.seed), isInt32(sampling?.seed) ? undefined : "Gemini's seeds have 32 bits"],
  ];
  const written: Record<string, number> = {};
  for (const [name, field, value, obstacle] of asked) {
    if (value === undefined) continue;
    if (obstacle === undefined) written[name] = value;
    else warnings.add(`sampling.${field}`, `${obstacle}; it is left out.`);
  }
  return written;
}

/** A penalty of 0 is none, and is taken everywhere. */
function penaltyObstacle(penalty: number | undefined, facts: ModelFacts): string | undefined {
  return facts.takesPenalties || penalty === 0 ? undefined : "this model takes no penalties";
}

function isInt32(seed: bigint | undefined): boolean {
  return seed === undefined || BigInt.asIntN(32, seed) === seed;
}

function writeCandidateCount(count: number | undefined, facts: ModelFacts, warnings: Warnings): JsonObject {
  if (count === undefined || count === 1) return {};
  if (facts.takesCandidates) return { candidateCount: count };
  warnings.add("candidate_count", "this model makes one reply per request; there is one.");
  return {};
}

/** A schema's name changes nothing there, and Gemini always holds the model to the schema; the description goes into the schema. */
function writeFormat(format: OutputFormat | undefined): JsonObject {
  switch (format?.kind.case) {
    case "jsonObject":
      return { responseMimeType: "application/json" };
    case "jsonSchema": {
      const { jsonSchema, description } = format.kind.value;
      return { responseMimeType: "application/json", responseJsonSchema: describedSchema(jsonSchema, description) };
    }
    default:
      return {};
  }
}

function writeModalities({ modalities, audio }: Generation, warnings: Warnings): JsonObject {
  const words = modalities.flatMap((modality) => modalityWords.get(modality) ?? []);
  if (audio !== undefined && !/^(pcm|pcm16|)$/.test(audio.format)) warnings.add("audio.format", "Gemini's sound is raw PCM; the reply says its rate.");
  return {
    ...(words.length === 0 ? {} : { responseModalities: words }),
    ...(audio === undefined || audio.voice === "" ? {} : { speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: audio.voice } } } }),
  };
}

const modalityWords: ReadonlyMap<Modality, string> = new Map([
  [Modality.TEXT, "TEXT"],
  [Modality.AUDIO, "AUDIO"],
  [Modality.IMAGE, "IMAGE"],
]);

/** Source: ServiceTier in @google/genai; `default` is OpenAI's word for the standard tier, and `standard_only` Anthropic's. */
function writeServiceTier(tier: string | undefined, warnings: Warnings): JsonObject {
  switch (tier) {
    case undefined:
    case "auto":
      return {};
    case "standard":
    case "flex":
    case "priority":
      return { serviceTier: tier };
    case "default":
    case "standard_only":
      return { serviceTier: "standard" };
    default:
      warnings.add("service_tier", `Gemini has no tier "${tier}"; it is left out.`);
      return {};
  }
}
