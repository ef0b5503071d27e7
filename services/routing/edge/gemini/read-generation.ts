/**
 * Owns the reading of a GenerateContentRequest into types; what types cannot carry is named, never dropped in silence.
 * Source: https://ai.google.dev/api/generate-content
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Modality, ReasoningOptions_Effort, type AudioOutputSchema, type OutputFormatSchema, type ReasoningOptionsSchema, type SamplingSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { invalidField, UnknownFields, type RequestFields } from "../dialect-parts/request-fields.ts";
import { geminiFields } from "./fields.ts";
import { readContents, readSystemInstruction } from "./read-parts.ts";
import { toJsonSchema } from "./read-schema.ts";
import { readTools } from "./read-tools.ts";

export interface GenerationReading {
  readonly generation: Generation;
  /** Paths of the fields that types cannot carry, such as `safetySettings` or `contents[].parts[].videoMetadata`. */
  readonly unknownFields: readonly string[];
}

/** Throws INVALID_REQUEST with the field at fault, or UNSUPPORTED_FIELD for a part of the prompt that only Google holds. */
export function readGeneration(body: JsonObject, model: string): GenerationReading {
  const unknown = new UnknownFields();
  const fields = geminiFields(body, unknown);
  // The path names the model.
  fields.take("model");
  for (const name of ["cachedContent", "continuationToken"]) refuseHeldByGoogle(fields, name);
  const config = fields.object("generationConfig");
  const { tools, toolChoice } = readTools(fields);
  const generation = create(GenerationSchema, {
    model,
    messages: [...readSystemInstruction(fields), ...readContents(fields)],
    tools,
    ...definedMembers({ toolChoice, serviceTier: readServiceTier(fields), store: fields.flag("store") }),
    ...(config === undefined ? {} : readConfig(config)),
  });
  config?.noteRest();
  fields.noteRest();
  return { generation, unknownFields: unknown.paths };
}

/** Without it the question would be another one. */
function refuseHeldByGoogle(fields: RequestFields, name: string): void {
  if (fields.take(name) === undefined) return;
  const field = fields.pathOf(name);
  throw new GatewayError("UNSUPPORTED_FIELD", `${field} names content that only Google holds, so it cannot be translated for this target; send the content itself.`, { metadata: { field } });
}

function readConfig(config: RequestFields): Exclude<MessageInitShape<typeof GenerationSchema>, Generation> {
  return {
    sampling: readSampling(config),
    stopSequences: config.texts("stopSequences") ?? [],
    logprobs: config.flag("responseLogprobs") ?? false,
    modalities: readModalities(config),
    ...definedMembers({
      maxOutputTokens: config.integer("maxOutputTokens"),
      candidateCount: config.int32("candidateCount"),
      topLogprobs: config.int32("logprobs"),
      outputFormat: readOutputFormat(config),
      reasoning: readThinking(config.object("thinkingConfig")),
      audio: readSpeech(config),
    }),
  };
}

function readSampling(config: RequestFields): MessageInitShape<typeof SamplingSchema> {
  const seed = config.int32("seed");
  return definedMembers({
    temperature: config.number("temperature"),
    topP: config.number("topP"),
    topK: config.integer("topK"),
    presencePenalty: config.number("presencePenalty"),
    frequencyPenalty: config.number("frequencyPenalty"),
    seed: seed === undefined ? undefined : BigInt(seed),
  });
}

/** `responseJsonSchema` takes JSON Schema, `responseSchema` Google's own; either wants `responseMimeType` to be JSON. */
function readOutputFormat(config: RequestFields): MessageInitShape<typeof OutputFormatSchema> | undefined {
  const mimeType = config.text("responseMimeType");
  const jsonSchema = config.take("responseJsonSchema") ?? config.take("_responseJsonSchema");
  const googleSchema = config.take("responseSchema");
  if (mimeType !== undefined && mimeType !== "application/json") {
    if (mimeType === "text/plain") return { kind: { case: "text", value: {} } };
    config.noteUnknown("responseMimeType");
    if (jsonSchema !== undefined) config.noteUnknown("responseJsonSchema");
    if (googleSchema !== undefined) config.noteUnknown("responseSchema");
    return undefined;
  }
  const schema = jsonSchema ?? toJsonSchema(googleSchema);
  if (schema !== undefined) return { kind: { case: "jsonSchema", value: { jsonSchema: JSON.stringify(schema) } } };
  return mimeType === undefined ? undefined : { kind: { case: "jsonObject", value: {} } };
}

/** A budget of 0 turns thinking off, -1 leaves it to the model: https://ai.google.dev/gemini-api/docs/thinking */
function readThinking(thinking: RequestFields | undefined): MessageInitShape<typeof ReasoningOptionsSchema> | undefined {
  if (thinking === undefined) return undefined;
  const includeText = thinking.flag("includeThoughts");
  const budget = thinking.int32("thinkingBudget");
  const effort = readLevel(thinking);
  thinking.noteRest();
  if (budget !== undefined && budget < -1) throw invalidField(thinking.pathOf("thinkingBudget"), "must be -1 or more");
  if (budget === 0 && effort === undefined) return { effort: ReasoningOptions_Effort.NONE, ...definedMembers({ includeText }) };
  return {
    adaptive: budget === -1,
    ...definedMembers({ includeText, effort, budgetTokens: budget === undefined || budget < 0 ? undefined : BigInt(budget) }),
  };
}

function readLevel(thinking: RequestFields): ReasoningOptions_Effort | undefined {
  const word = thinking.text("thinkingLevel");
  if (word === undefined) return undefined;
  const effort = levels.get(word.toUpperCase());
  if (effort === undefined) throw invalidField(thinking.pathOf("thinkingLevel"), `must be one of ${[...levels.keys()].join(", ")}`);
  return effort;
}

const levels: ReadonlyMap<string, ReasoningOptions_Effort> = new Map([
  ["THINKING_LEVEL_UNSPECIFIED", ReasoningOptions_Effort.UNSPECIFIED],
  ["MINIMAL", ReasoningOptions_Effort.MINIMAL],
  ["LOW", ReasoningOptions_Effort.LOW],
  ["MEDIUM", ReasoningOptions_Effort.MEDIUM],
  ["HIGH", ReasoningOptions_Effort.HIGH],
]);

function readModalities(config: RequestFields): Modality[] {
  return (config.texts("responseModalities") ?? []).flatMap((word) => {
    const modality = modalities.get(word.toUpperCase());
    if (modality === undefined) config.noteUnknown("responseModalities");
    return modality ?? [];
  });
}

const modalities: ReadonlyMap<string, Modality> = new Map([
  ["TEXT", Modality.TEXT],
  ["AUDIO", Modality.AUDIO],
  ["IMAGE", Modality.IMAGE],
]);

/** Google's speech is raw PCM, 24 kHz, 16 bit: https://ai.google.dev/gemini-api/docs/speech-generation */
function readSpeech(config: RequestFields): MessageInitShape<typeof AudioOutputSchema> | undefined {
  const speech = config.object("speechConfig");
  const voiceConfig = speech?.object("voiceConfig");
  const prebuilt = voiceConfig?.object("prebuiltVoiceConfig");
  const voice = prebuilt?.text("voiceName");
  prebuilt?.noteRest();
  voiceConfig?.noteRest();
  speech?.noteRest();
  return voice === undefined ? undefined : { voice, format: "pcm16" };
}

function readServiceTier(fields: RequestFields): string | undefined {
  const tier = fields.text("serviceTier")?.toLowerCase();
  return tier === "unspecified" ? undefined : tier;
}
