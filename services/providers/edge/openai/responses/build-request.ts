/** Owns a whole Responses request, made of types; its members stand in a fixed order, so that a retry has the same bytes. */
import { ReasoningOptions_Effort } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { VendorRequest } from "../../../domain/adapter.ts";
import { asObject, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { Warnings } from "../../../domain/translation/warnings.ts";
import { effortOf } from "../chat/build-reasoning.ts";
import { buildOutputFormat, present } from "../chat/build-request.ts";
import { flat } from "./flat-member.ts";
import { openaiItself } from "../compatible/quirks.ts";
import { buildInput } from "./build-input.ts";
import { buildResponsesTools } from "./build-tools.ts";

export const responsesPath = "/responses";

/**
 * Nothing is kept at the vendor: the conversation comes whole each time, and earlier reasoning in it encrypted.
 * Throws UNSUPPORTED_FIELD for what the vendor cannot honour when `generation.strict`, else warns.
 * @param origin the vendor, as signatures name it
 */
export function buildResponsesRequest(generation: Generation, model: string, stream: boolean, origin: string): VendorRequest {
  const warnings = new Warnings("The vendor", generation.strict);
  const { include, ...options } = buildOptions(generation, model, warnings);
  const body = {
    model,
    ...buildResponsesPrompt(generation, model, origin, warnings),
    ...options,
    store: false,
    include: ["reasoning.encrypted_content", ...include],
    ...(stream ? { stream: true } : {}),
  };
  return { path: responsesPath, headers: {}, body: Buffer.from(JSON.stringify(body)), warnings: warnings.list, withholdUsage: false };
}

/** Of a request what the model reads. */
export function buildResponsesPrompt(generation: Generation, model: string, origin: string, warnings: Warnings): JsonObject {
  return {
    input: buildInput(generation.messages, origin, warnings),
    ...buildResponsesTools(generation, warnings),
    ...buildText(generation, warnings),
    ...buildReasoning(generation, model, warnings),
  };
}

function buildText({ outputFormat, verbosity }: Generation, warnings: Warnings): JsonObject {
  const { response_format: format } = buildOutputFormat(outputFormat, warnings, openaiItself);
  const text = { ...(format === undefined ? {} : { format: flat(asObject(format)) }), ...present("verbosity", verbosity) };
  return Object.keys(text).length === 0 ? {} : { text };
}

/** A summary, for which OpenAI wants an account that it has verified, comes where the reasoning is asked for. */
function buildReasoning({ reasoning }: Generation, model: string, warnings: Warnings): JsonObject {
  if (reasoning === undefined) return {};
  const effort = effortOf(reasoning, warnings, openaiItself) ?? (reasoning.adaptive && idleUntilAsked.test(model) ? "medium" : undefined);
  const members = { ...present("effort", effort), ...(reasoning.includeText === true ? { summary: "auto" } : {}) };
  return Object.keys(members).length === 0 ? {} : { reasoning: members };
}

/**
 * Models that reason only when an effort is said, and until then can be sampled as others are ("gpt-5.1 defaults to none": `ReasoningEffort` of
 * https://learn.microsoft.com/javascript/api/@azure/ai-projects/reasoningeffort, and https://github.com/vercel/ai/pull/10940).
 */
const idleUntilAsked = /gpt-5\.[1-4](?!\d)(?!-(?:codex|pro))/;

function buildOptions(generation: Generation, model: string, warnings: Warnings): JsonObject & { readonly include: readonly string[] } {
  const { maxOutputTokens, serviceTier, endUser, metadata, promptCacheKey } = generation;
  return {
    ...present("max_output_tokens", maxOutputTokens === undefined ? undefined : Number(maxOutputTokens)),
    ...buildSampling(generation, isIdle(generation, model), warnings),
    ...present("service_tier", serviceTier),
    ...present("safety_identifier", endUser),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...present("prompt_cache_key", promptCacheKey),
  };
}

function isIdle({ reasoning }: Generation, model: string): boolean {
  const isAsked = reasoning !== undefined && (reasoning.effort !== ReasoningOptions_Effort.UNSPECIFIED || reasoning.budgetTokens !== undefined || reasoning.adaptive);
  return !isAsked && idleUntilAsked.test(model);
}

/** A model that reasons is refused for a temperature and the like: https://github.com/vercel/ai/pull/10940 */
function buildSampling({ sampling, logprobs, topLogprobs }: Generation, isIdle: boolean, warnings: Warnings): JsonObject & { readonly include: readonly string[] } {
  if (sampling?.topK !== undefined) warnings.add("sampling.top_k", "The vendor cannot choose among a number of candidates; it is left out.");
  const temperature = sampling?.temperature;
  const topP = sampling?.topP;
  const wantsLogprobs = logprobs || (topLogprobs ?? 0) > 0;
  if (isIdle) return { ...present("temperature", temperature), ...present("top_p", topP), ...present("top_logprobs", topLogprobs), include: wantsLogprobs ? ["message.output_text.logprobs"] : [] };
  const reason = "The model takes it only where it does not reason; it is left out.";
  // 1 is what the vendor does anyway.
  if ((temperature ?? 1) !== 1) warnings.add("sampling.temperature", reason);
  if ((topP ?? 1) !== 1) warnings.add("sampling.top_p", reason);
  if (wantsLogprobs) warnings.add("logprobs", reason);
  return { include: [] };
}
