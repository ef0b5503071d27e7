/** Owns the reading of a Messages request into types; what types cannot carry is named, never dropped in silence. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CacheMarkerSchema, MessageSchema, Role, type Message, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import { type OutputFormatSchema, ReasoningOptions_Effort, type ReasoningOptionsSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { readCacheMarker, readContent } from "./read-content.ts";
import { readToolChoice, readTools } from "./read-tools.ts";
import { invalidField, RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";

export interface GenerationReading {
  readonly generation: Generation;
  /** Paths of the fields that types cannot carry, such as `container` or `messages[].content[].transformations`. */
  readonly unknownFields: readonly string[];
}

/** Throws INVALID_REQUEST with the field at fault. */
export function readGeneration(body: JsonObject): GenerationReading {
  const unknown = new UnknownFields();
  const fields = new RequestFields(body, "", unknown);
  fields.take("stream");
  // What nobody has to say; `fast` is for Anthropic alone.
  if (body["speed"] === "standard") fields.take("speed");
  noteContextManagement(fields);
  const outputConfig = fields.object("output_config");
  const messages = [...readSystem(fields), ...readMessages(fields)];
  markLast(messages, readCacheMarker(fields));
  const generation = create(GenerationSchema, {
    model: fields.requiredText("model"),
    messages,
    tools: readTools(fields),
    sampling: definedMembers({ temperature: fields.number("temperature"), topP: fields.number("top_p"), topK: fields.integer("top_k") }),
    stopSequences: fields.texts("stop_sequences") ?? [],
    ...definedMembers({
      ...readToolChoice(fields),
      outputFormat: readOutputFormat(outputConfig?.object("format") ?? fields.object("output_format")),
      reasoning: readReasoning(fields.object("thinking"), outputConfig),
      maxOutputTokens: fields.integer("max_tokens"),
      serviceTier: fields.text("service_tier"),
      endUser: readEndUser(fields.object("metadata")),
    }),
  });
  outputConfig?.noteRest();
  fields.noteRest();
  return { generation, unknownFields: unknown.paths };
}

/** What only takes away of the prompt (https://platform.claude.com/docs/en/build-with-claude/context-editing) is told from compaction, for which the vendor asks the model once more. */
function noteContextManagement(fields: RequestFields): void {
  if (onlyClears(fields.peek("context_management"))) fields.object("context_management")?.noteUnknown("edits");
}

function onlyClears(management: unknown): boolean {
  if (typeof management !== "object" || management === null) return false;
  const { edits, ...others } = management as { readonly edits?: unknown };
  return Object.keys(others).length === 0 && Array.isArray(edits) && edits.every((edit: { readonly type?: unknown } | null) => typeof edit?.type === "string" && edit.type.startsWith("clear_"));
}

function readSystem(fields: RequestFields): Message[] {
  const parts = readContent(fields, "system");
  return parts.length === 0 ? [] : [create(MessageSchema, { role: Role.SYSTEM, parts })];
}

function readMessages(fields: RequestFields): Message[] {
  const messages = fields.objects("messages");
  if (messages === undefined) throw invalidField("messages", "is missing");
  return messages.flatMap((message) => {
    const role = roles.get(message.requiredText("role"));
    if (role === undefined) throw invalidField(message.pathOf("role"), `must be one of ${[...roles.keys()].join(", ")}`);
    const parts = readContent(message, "content");
    message.noteRest();
    return role === Role.USER ? splitUserTurn(parts) : [create(MessageSchema, { role, parts })];
  });
}

/** A marker of the whole request is one of its last block that can have one: https://platform.claude.com/docs/en/build-with-claude/prompt-caching */
function markLast(messages: readonly Message[], cacheMarker: MessageInitShape<typeof CacheMarkerSchema> | undefined): void {
  if (cacheMarker === undefined) return;
  const last = messages.flatMap(({ parts }) => parts).findLast(({ kind }) => kind.case !== "reasoning" && kind.case !== "native");
  if (last !== undefined) last.cacheMarker ??= create(CacheMarkerSchema, cacheMarker);
}

const roles: ReadonlyMap<string, Role> = new Map([
  ["user", Role.USER],
  ["assistant", Role.ASSISTANT],
  ["system", Role.SYSTEM],
]);

/** A user's turn can hold tool results among other content; in types they are messages of their own, in the same order. */
function splitUserTurn(parts: readonly Part[]): Message[] {
  const messages: Message[] = [];
  for (const part of parts) {
    const role = part.kind.case === "toolResult" ? Role.TOOL : Role.USER;
    const last = messages.at(-1);
    if (last?.role === role) last.parts.push(part);
    else messages.push(create(MessageSchema, { role, parts: [part] }));
  }
  return messages.length === 0 ? [create(MessageSchema, { role: Role.USER })] : messages;
}

function readOutputFormat(format: RequestFields | undefined): MessageInitShape<typeof OutputFormatSchema> | undefined {
  if (format === undefined) return undefined;
  if (format.requiredText("type") !== "json_schema") throw invalidField(format.pathOf("type"), "must be json_schema");
  const schema = format.take("schema");
  format.noteRest();
  return { kind: { case: "jsonSchema", value: { jsonSchema: JSON.stringify(schema ?? {}) } } };
}

/** `thinking` and `output_config.effort` together: a disabled thinking is the effort "none", or the budget 0 beside another effort. */
function readReasoning(
  thinking: RequestFields | undefined,
  outputConfig: RequestFields | undefined,
): MessageInitShape<typeof ReasoningOptionsSchema> | undefined {
  const effort = readEffort(outputConfig);
  if (thinking === undefined) return effort === undefined ? undefined : { effort };
  const type = thinking.requiredText("type");
  const display = thinking.text("display");
  const budgetTokens = thinking.integer("budget_tokens");
  const includeText = display === undefined ? undefined : display !== "omitted";
  thinking.noteRest();
  switch (type) {
    case "enabled":
      return definedMembers({ effort, budgetTokens, includeText });
    case "adaptive":
      return { adaptive: true, ...definedMembers({ effort, includeText }) };
    case "disabled":
      return effort === undefined ? { effort: ReasoningOptions_Effort.NONE } : { effort, budgetTokens: 0n };
    default:
      thinking.noteUnknown("type");
      return definedMembers({ effort });
  }
}

function readEffort(outputConfig: RequestFields | undefined): ReasoningOptions_Effort | undefined {
  const word = outputConfig?.text("effort");
  if (outputConfig === undefined || word === undefined) return undefined;
  const effort = efforts.get(word);
  if (effort === undefined) throw invalidField(outputConfig.pathOf("effort"), `must be one of ${[...efforts.keys()].join(", ")}`);
  return effort;
}

const efforts: ReadonlyMap<string, ReasoningOptions_Effort> = new Map([
  ["low", ReasoningOptions_Effort.LOW],
  ["medium", ReasoningOptions_Effort.MEDIUM],
  ["high", ReasoningOptions_Effort.HIGH],
  ["xhigh", ReasoningOptions_Effort.EXTRA_HIGH],
  ["max", ReasoningOptions_Effort.MAXIMUM],
]);

function readEndUser(metadata: RequestFields | undefined): string | undefined {
  const endUser = metadata?.text("user_id");
  metadata?.noteRest();
  return endUser;
}
