/** Owns the reading of a whole Chat Completions request into types. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Modality, type AudioOutputSchema, type OutputFormatSchema, type ReasoningOptions_Effort, type SamplingSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../../domain/dialect.ts";
import { ObjectReader } from "../object-reader.ts";
import { readMessages } from "./read-messages.ts";
import { readTools } from "./read-tools.ts";
import { readEffort } from "./reasoning-effort.ts";

export interface GenerationReading {
  readonly generation: Generation;
  /** Paths of the members that types have no place for, each once. */
  readonly unknownFields: readonly string[];
}

/** Throws INVALID_REQUEST with the field at fault, or UNSUPPORTED_FIELD for a value that only OpenAI understands. */
export function readGeneration(json: JsonObject): GenerationReading {
  const body = new ObjectReader(json);
  const { tools, toolChoice } = readTools(body);
  const generation = create(GenerationSchema, {
    model: body.text("model"),
    messages: readMessages(body),
    tools,
    ...(toolChoice === undefined ? {} : { toolChoice }),
    // A legacy reply has room for a single call.
    parallelToolCalls: body.has("functions") ? false : body.optionalBoolean("parallel_tool_calls"),
    ...readOutputFormat(body),
    ...readReasoning(body),
    ...readSampling(body),
    maxOutputTokens: readMaxOutputTokens(body),
    stopSequences: readStop(body),
    candidateCount: body.optionalInt32("n"),
    logprobs: body.optionalBoolean("logprobs") ?? false,
    topLogprobs: body.optionalInt32("top_logprobs"),
    serviceTier: body.optionalText("service_tier"),
    modalities: readModalities(body),
    ...readAudio(body),
    endUser: readEndUser(body),
    metadata: body.textMap("metadata"),
    store: body.optionalBoolean("store"),
    verbosity: body.optionalText("verbosity"),
    promptCacheKey: body.optionalText("prompt_cache_key"),
  });
  readStreaming(body);
  return { generation, unknownFields: body.unreadMembers() };
}

function readMaxOutputTokens(body: ObjectReader): bigint | undefined {
  const current = body.optionalInt64("max_completion_tokens");
  const deprecated = body.optionalInt64("max_tokens");
  if (current !== undefined && deprecated !== undefined && current !== deprecated) {
    throw body.fault("max_tokens", "contradicts max_completion_tokens; send one of them");
  }
  return current ?? deprecated;
}

function readStop(body: ObjectReader): string[] {
  const stop = body.raw("stop");
  return typeof stop === "string" ? [stop] : body.texts("stop");
}

function readSampling(body: ObjectReader): { sampling?: MessageInitShape<typeof SamplingSchema> } {
  const logitBias = body.numberMap("logit_bias");
  const numbers = {
    temperature: body.optionalNumber("temperature"),
    topP: body.optionalNumber("top_p"),
    // Not OpenAI's own, but understood by most servers that speak its dialect.
    topK: body.optionalInt64("top_k"),
    presencePenalty: body.optionalNumber("presence_penalty"),
    frequencyPenalty: body.optionalNumber("frequency_penalty"),
    seed: body.optionalInt64("seed"),
  };
  const isEmpty = Object.keys(logitBias).length === 0 && Object.values(numbers).every((value) => value === undefined);
  return isEmpty ? {} : { sampling: { ...numbers, logitBias } };
}

function readReasoning(body: ObjectReader): { reasoning?: { effort: ReasoningOptions_Effort } } {
  const effort = readEffort(body, "reasoning_effort");
  return effort === undefined ? {} : { reasoning: { effort } };
}

function readOutputFormat(body: ObjectReader): { outputFormat?: MessageInitShape<typeof OutputFormatSchema> } {
  const format = body.optionalObject("response_format");
  if (format === undefined) return {};
  switch (format.text("type")) {
    case "text":
      return { outputFormat: { kind: { case: "text", value: {} } } };
    case "json_object":
      return { outputFormat: { kind: { case: "jsonObject", value: {} } } };
    case "json_schema":
      return { outputFormat: { kind: { case: "jsonSchema", value: readJsonSchema(format.object("json_schema")) } } };
    default:
      throw format.untranslatable("type", "must be text, json_object or json_schema to be translated for this target");
  }
}

function readJsonSchema(format: ObjectReader) {
  const schema = format.optionalObject("schema")?.rawMembers();
  return {
    name: format.text("name"),
    description: format.optionalText("description") ?? "",
    jsonSchema: schema === undefined ? "" : JSON.stringify(schema),
    strict: format.optionalBoolean("strict"),
  };
}

function readModalities(body: ObjectReader): Modality[] {
  return body.texts("modalities").map((word, index) => {
    const modality = modalities.get(word);
    if (modality === undefined) throw body.fault(`modalities[${index}]`, `must be one of ${[...modalities.keys()].join(", ")}`);
    return modality;
  });
}

const modalities: ReadonlyMap<string, Modality> = new Map<string, Modality>([
  ["text", Modality.TEXT],
  ["audio", Modality.AUDIO],
  ["image", Modality.IMAGE],
]);

function readAudio(body: ObjectReader): { audio?: MessageInitShape<typeof AudioOutputSchema> } {
  const audio = body.optionalObject("audio");
  if (audio === undefined) return {};
  const voice = audio.raw("voice");
  return { audio: { voice: typeof voice === "string" ? voice : audio.object("voice").text("id"), format: audio.text("format") } };
}

/** `safety_identifier` is the successor of `user`; where both stand, a different `user` counts as unread. */
function readEndUser(body: ObjectReader): string | undefined {
  const current = body.optionalText("safety_identifier");
  const deprecated = body.optionalText("user");
  if (current !== undefined && deprecated !== undefined && current !== deprecated) body.leaveUnread("user");
  return current ?? deprecated;
}

/** How the reply travels is the dialect's own business, not the target's. */
function readStreaming(body: ObjectReader): void {
  body.raw("stream");
  const options = body.optionalObject("stream_options");
  options?.raw("include_usage");
  // Weir's own stream has no obfuscation, so only the wish for it is unmet.
  if (options?.raw("include_obfuscation") === true) options.leaveUnread("include_obfuscation");
}
