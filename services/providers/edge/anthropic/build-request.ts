/** Owns the way from types to the body of a Messages request. */
import type { OutputFormat } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { spliceJson } from "#platform/formats/json.ts";
import { warnOfOptions, type Option } from "../../domain/translation/asked-options.ts";
import { describedSchema } from "../../domain/translation/described-schema.ts";
import { heldSchema } from "../../domain/translation/held-schema.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { factsOf, type ModelFacts } from "./model-facts.ts";
import { messagesOfOwnThinking } from "./own-thinking.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { withCaching } from "./write-caching.ts";
import { writeConversation } from "./write-content.ts";
import { writeThinking, type ThinkingJson } from "./write-thinking.ts";
import { writeTools } from "./write-tools.ts";

/** What Anthropic has nothing like. */
const lacking: readonly Option[] = ["sampling.seed", "sampling.presence_penalty", "sampling.frequency_penalty", "sampling.logit_bias", "logprobs", "top_logprobs", "modalities", "audio", "metadata", "store", "verbosity", "candidate_count"];

const path = "/messages";

/** The output maximum for a model whose own is not known; Anthropic wants one in every request. */
const fallbackMaximumTokens = 8192;

/** Throws UNSUPPORTED_FIELD for content Anthropic cannot take, and for everything else it cannot honour when strict. */
export function buildRequest(generation: Generation, model: string, stream: boolean): VendorRequest {
  const warnings = new Warnings("Anthropic", generation.strict);
  const body = { ...writeBody(generation, model, warnings), ...(stream ? { stream: true } : {}) };
  return vendorRequest(Buffer.from(JSON.stringify(body)), warnings);
}

/** The members of a request, the stream's aside. */
export function writeBody(generation: Generation, model: string, warnings: Warnings): Block {
  const facts = factsOf(model);
  warnOfOptions("Anthropic", lacking, generation, warnings);
  const maximumTokens = writeMaximumTokens(generation, facts, warnings);
  const { system, turns } = withCaching(generation, writeConversation(generation.messages, facts, warnings));
  const { thinking, effort } = writeThinking(generation, turns, facts, maximumTokens, warnings);
  const format = writeFormat(generation.outputFormat, warnings);
  return {
    model,
    max_tokens: maximumTokens,
    ...(system.length === 0 ? {} : { system }),
    messages: turns,
    ...writeTools(generation, warnings),
    ...(thinking === undefined ? {} : { thinking }),
    ...(effort === undefined && format === undefined ? {} : { output_config: { ...(effort === undefined ? {} : { effort }), ...(format === undefined ? {} : { format }) } }),
    ...writeSampling(generation, facts, thinking, warnings),
    ...(generation.stopSequences.length === 0 ? {} : { stop_sequences: generation.stopSequences }),
    ...writeServiceTier(generation.serviceTier, warnings),
    ...(generation.endUser === undefined ? {} : { metadata: { user_id: generation.endUser } }),
  };
}

/** The caller's own bytes, without what other vendors thought. Usage stands in every stream unasked, so nothing is withheld. */
export function buildNativeRequest(body: Uint8Array, model: string, _stream: boolean, outputMaximum?: number): VendorRequest {
  return vendorRequest(spliceJson(body, { model, messages: messagesOfOwnThinking(body), max_tokens: outputMaximum }), new Warnings("Anthropic", false));
}

function vendorRequest(body: Uint8Array, warnings: Warnings): VendorRequest {
  return { path, headers: {}, body, warnings: warnings.list, withholdUsage: false };
}

function writeMaximumTokens({ maxOutputTokens }: Generation, facts: ModelFacts, warnings: Warnings): number {
  if (maxOutputTokens !== undefined) return Number(maxOutputTokens);
  if (facts.maximumOutputTokens !== undefined) return facts.maximumOutputTokens;
  warnings.add("max_output_tokens", `Anthropic needs one and the model's own is not known; ${fallbackMaximumTokens} is set.`);
  return fallbackMaximumTokens;
}

/** A JSON Schema's name is no part of Anthropic's form and changes nothing; its description goes into the schema. */
function writeFormat(format: OutputFormat | undefined, warnings: Warnings): Block | undefined {
  if (format?.kind.case === "jsonObject") {
    warnings.add("output_format.json_object", "JSON without a schema cannot be enforced; ask for it in the prompt, or give a schema.");
  }
  if (format?.kind.case !== "jsonSchema") return undefined;
  const { jsonSchema, description } = format.kind.value;
  return { type: "json_schema", schema: heldSchema(describedSchema(jsonSchema, description), "output_format.json_schema.json_schema", warnings) };
}

function writeSampling({ sampling }: Generation, facts: ModelFacts, thinking: ThinkingJson["thinking"], warnings: Warnings): Block {
  const temperature = writeTemperature(sampling?.temperature, facts, warnings);
  const asked: Record<string, number> = {};
  if (temperature !== undefined) asked["temperature"] = temperature;
  if (sampling?.topP !== undefined) asked["top_p"] = sampling.topP;
  if (sampling?.topK !== undefined) asked["top_k"] = Number(sampling.topK);
  for (const [name, value] of Object.entries(asked)) {
    const obstacle = samplingObstacle(name, value, asked, facts, thinking);
    if (obstacle === undefined) continue;
    warnings.add(`sampling.${name}`, `${obstacle}; it is left out.`);
    delete asked[name];
  }
  return asked;
}

/** Anthropic's scale ends at 1. */
function writeTemperature(temperature: number | undefined, facts: ModelFacts, warnings: Warnings): number | undefined {
  if (temperature === undefined || temperature <= 1 || facts.sampling === "none") return temperature;
  warnings.add("sampling.temperature", `Anthropic's temperature ends at 1; 1 is sent instead of ${temperature}.`);
  return 1;
}

/**
 * Why a sampling parameter would be refused. Sources: https://platform.claude.com/docs/en/about-claude/models/migration-guide
 * (models without sampling, or with one of two) and …/docs/en/build-with-claude/extended-thinking (beside thinking).
 */
export function samplingObstacle(name: string, value: number, asked: Readonly<Record<string, number>>, facts: ModelFacts, thinking: ThinkingJson["thinking"]): string | undefined {
  if (facts.sampling === "none") return "this model takes no sampling parameters";
  if (facts.sampling === "one" && name === "top_p" && asked["temperature"] !== undefined) return "this model takes only one of temperature and top_p";
  if (thinking === undefined || thinking.type === "disabled") return undefined;
  const allowed = (name === "temperature" && value === 1) || (name === "top_p" && value >= 0.95);
  return allowed ? undefined : "it cannot be combined with thinking";
}

/** Source: `service_tier` of MessageCreateParams in @anthropic-ai/sdk; `default` is OpenAI's word for the standard tier. */
function writeServiceTier(tier: string | undefined, warnings: Warnings): Block {
  switch (tier) {
    case undefined:
      return {};
    case "auto":
    case "standard_only":
      return { service_tier: tier };
    case "default":
      return { service_tier: "standard_only" };
    default:
      warnings.add("service_tier", `Anthropic has no tier "${tier}"; it is left out.`);
      return {};
  }
}
