/**
 * Owns the reading of Ollama's chat and generate requests into types; what types cannot carry is named, never dropped in silence.
 * Source: https://docs.ollama.com/openapi.yaml
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { MessageSchema, Role, type Message } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort, ToolSchema, type OutputFormatSchema, type ReasoningOptionsSchema, type SamplingSchema, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { invalidField, RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";
import { readImages, readMessages, readText } from "./read-messages.ts";

/** The name under which Ollama's own JSON stands in a NativePart. */
export const nativeDialect = "ollama";

export interface GenerationReading {
  readonly generation: Generation;
  /** Paths of the fields that types cannot carry, such as `keep_alive` or `options.num_ctx`. */
  readonly unknownFields: readonly string[];
}

/** POST /api/chat. Throws INVALID_REQUEST with the field at fault. */
export function readChat(body: JsonObject): GenerationReading {
  return readRequest(body, (fields) => ({ messages: readMessages(fields), tools: readTools(fields) }));
}

/** POST /api/generate: one turn. Throws UNSUPPORTED_FIELD for an earlier conversation in token ids, which only its model can read. */
export function readPrompt(body: JsonObject): GenerationReading {
  return readRequest(body, (fields) => {
    if ((fields.list("context") ?? []).length > 0) {
      throw new GatewayError("UNSUPPORTED_FIELD", "context is a conversation in token ids, which cannot be translated for this target; use /api/chat.", { metadata: { field: "context" } });
    }
    const system = readText(fields, "system");
    const parts = [...readText(fields, "prompt"), ...readImages(fields)];
    if (parts.length === 0) throw invalidField("prompt", "is missing or empty; a model behind Weir needs no loading");
    const messages: Message[] = system.length === 0 ? [] : [create(MessageSchema, { role: Role.SYSTEM, parts: system })];
    return { messages: [...messages, create(MessageSchema, { role: Role.USER, parts })], tools: [] };
  });
}

function readRequest(body: JsonObject, read: (fields: RequestFields) => { readonly messages: Message[]; readonly tools: Tool[] }): GenerationReading {
  const unknown = new UnknownFields();
  const fields = new RequestFields(body, "", unknown);
  fields.take("stream");
  const { messages, tools } = read(fields);
  const options = fields.object("options");
  const generation = create(GenerationSchema, {
    model: fields.requiredText("model"),
    messages,
    tools,
    logprobs: fields.flag("logprobs") ?? false,
    ...definedMembers({ topLogprobs: fields.int32("top_logprobs"), outputFormat: readFormat(fields), reasoning: readThink(fields) }),
    ...(options === undefined ? {} : readOptions(options)),
  });
  options?.noteRest();
  fields.noteRest();
  return { generation, unknownFields: unknown.paths };
}

function readTools(fields: RequestFields): Tool[] {
  return (fields.objects("tools") ?? []).map((tool) => {
    if ((tool.text("type") ?? "function") !== "function") return create(ToolSchema, { kind: { case: "native", value: { dialect: nativeDialect, json: tool.json() } } });
    const definition = tool.requiredObject("function");
    const parameters = definition.take("parameters");
    const value = { name: definition.requiredText("name"), description: definition.text("description") ?? "", parametersJsonSchema: parameters === undefined ? "" : JSON.stringify(parameters) };
    definition.noteRest();
    tool.noteRest();
    return create(ToolSchema, { kind: { case: "function", value } });
  });
}

function readFormat(fields: RequestFields): MessageInitShape<typeof OutputFormatSchema> | undefined {
  const format = fields.take("format");
  if (format === undefined || format === "") return undefined;
  if (format === "json") return { kind: { case: "jsonObject", value: {} } };
  if (typeof format !== "object" || Array.isArray(format)) throw invalidField("format", 'must be "json" or a JSON schema');
  return { kind: { case: "jsonSchema", value: { jsonSchema: JSON.stringify(format) } } };
}

/** Whoever asks for thinking gets to read it. */
function readThink(fields: RequestFields): MessageInitShape<typeof ReasoningOptionsSchema> | undefined {
  const think = fields.take("think");
  if (think === undefined) return undefined;
  if (think === false) return { effort: ReasoningOptions_Effort.NONE };
  if (think === true) return { adaptive: true, includeText: true };
  const effort = efforts.get(think);
  if (effort === undefined) fields.noteUnknown("think");
  return definedMembers({ includeText: true, effort });
}

const efforts: ReadonlyMap<unknown, ReasoningOptions_Effort> = new Map<unknown, ReasoningOptions_Effort>([
  ["low", ReasoningOptions_Effort.LOW],
  ["medium", ReasoningOptions_Effort.MEDIUM],
  ["high", ReasoningOptions_Effort.HIGH],
  ["max", ReasoningOptions_Effort.MAXIMUM],
]);

function readOptions(options: RequestFields): Exclude<MessageInitShape<typeof GenerationSchema>, Generation> {
  return { sampling: readSampling(options), stopSequences: readStop(options), ...definedMembers({ maxOutputTokens: readNumPredict(options) }) };
}

function readSampling(options: RequestFields): MessageInitShape<typeof SamplingSchema> {
  const seed = options.int32("seed");
  return definedMembers({
    temperature: options.number("temperature"),
    topP: options.number("top_p"),
    topK: options.integer("top_k"),
    presencePenalty: options.number("presence_penalty"),
    frequencyPenalty: options.number("frequency_penalty"),
    seed: seed === undefined ? undefined : BigInt(seed),
  });
}

function readStop(options: RequestFields): string[] {
  const stop = options.take("stop");
  return typeof stop === "string" ? [stop] : (options.texts("stop") ?? []);
}

/** Below 0 there is no maximum: https://docs.ollama.com/modelfile#valid-parameters-and-values */
function readNumPredict(options: RequestFields): bigint | undefined {
  const maximum = options.int32("num_predict");
  return maximum === undefined || maximum < 0 ? undefined : BigInt(maximum);
}
