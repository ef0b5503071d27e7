/** Owns the reading of a whole Responses request into types. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { OutputFormatSchema, ReasoningOptionsSchema, SamplingSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { ObjectReader } from "../openai/object-reader.ts";
import { readEffort } from "../openai/chat/reasoning-effort.ts";
import { readInput, readItems, refuseReference } from "./read-input.ts";
import { readTools } from "./read-tools.ts";

export interface GenerationReading {
  readonly generation: Generation;
  /** Paths of the members that types have no place for, each once. */
  readonly unknownFields: readonly string[];
}

/** Throws INVALID_REQUEST with the field at fault, or UNSUPPORTED_FIELD for a value that only OpenAI understands. */
export function readGeneration(json: JsonObject): GenerationReading {
  const body = new ObjectReader(json);
  refuseState(body);
  const items = readItems(body);
  const text = body.optionalObject("text");
  const topLogprobs = body.optionalInt32("top_logprobs");
  const generation = create(GenerationSchema, {
    model: body.text("model"),
    messages: readInput(body, items),
    ...readTools(body, items),
    parallelToolCalls: body.optionalBoolean("parallel_tool_calls"),
    ...readOutputFormat(text),
    verbosity: text?.optionalText("verbosity"),
    ...readReasoning(body),
    ...readSampling(body),
    maxOutputTokens: body.optionalInt64("max_output_tokens"),
    ...readLogprobs(body, topLogprobs),
    serviceTier: body.optionalText("service_tier"),
    endUser: readEndUser(body),
    metadata: body.textMap("metadata"),
    store: body.optionalBoolean("store"),
    promptCacheKey: body.optionalText("prompt_cache_key"),
  });
  readHandling(body);
  return { generation, unknownFields: body.unreadMembers() };
}

/** What stands on a server cannot be left out: the model would answer another question. */
function refuseState(body: ObjectReader): void {
  for (const [field, advice] of Object.entries(states)) {
    if (body.has(field)) throw refuseReference(field, `refers to what only OpenAI keeps, and this target is not OpenAI's Responses API; ${advice}`);
  }
}

const states: Readonly<Record<string, string>> = {
  previous_response_id: "send the earlier items in input, with store: false and include: [\"reasoning.encrypted_content\"]",
  conversation: "send the conversation's items in input",
  prompt: "send the prompt's text in instructions or input",
};

function readOutputFormat(text: ObjectReader | undefined): { outputFormat?: MessageInitShape<typeof OutputFormatSchema> } {
  const format = text?.optionalObject("format");
  if (format === undefined) return {};
  switch (format.text("type")) {
    case "text":
      return { outputFormat: { kind: { case: "text", value: {} } } };
    case "json_object":
      return { outputFormat: { kind: { case: "jsonObject", value: {} } } };
    case "json_schema":
      return { outputFormat: { kind: { case: "jsonSchema", value: readJsonSchema(format) } } };
    default:
      throw format.untranslatable("type", "must be text, json_object or json_schema to be translated for this target");
  }
}

function readJsonSchema(format: ObjectReader) {
  return {
    name: format.text("name"),
    description: format.optionalText("description") ?? "",
    jsonSchema: JSON.stringify(format.object("schema").rawMembers()),
    strict: format.optionalBoolean("strict"),
  };
}

/** Types know whether reasoning is to be shown, not how long its summary should be. */
function readReasoning(body: ObjectReader): { reasoning?: MessageInitShape<typeof ReasoningOptionsSchema> } {
  const reasoning = body.optionalObject("reasoning");
  if (reasoning === undefined) return {};
  const effort = readEffort(reasoning, "effort");
  const current = reasoning.optionalText("summary");
  const summary = reasoning.optionalText("generate_summary") ?? current;
  if (effort === undefined && summary === undefined) return {};
  return { reasoning: { ...(effort === undefined ? {} : { effort }), ...(summary === undefined ? {} : { includeText: true }) } };
}

function readSampling(body: ObjectReader): { sampling?: MessageInitShape<typeof SamplingSchema> } {
  const sampling = { temperature: body.optionalNumber("temperature"), topP: body.optionalNumber("top_p") };
  return sampling.temperature === undefined && sampling.topP === undefined ? {} : { sampling };
}

/** `include` asks for what a reply may hold beside its words. Reasoning always comes with what it can be sent back with. */
function readLogprobs(body: ObjectReader, topLogprobs: number | undefined): { logprobs: boolean; topLogprobs?: number } {
  const include = body.texts("include");
  if (include.some((name) => name !== "reasoning.encrypted_content" && name !== "message.output_text.logprobs")) body.leaveUnread("include");
  const logprobs = include.includes("message.output_text.logprobs") || (topLogprobs ?? 0) > 0;
  return { logprobs, ...(topLogprobs === undefined || !logprobs ? {} : { topLogprobs }) };
}

/** `safety_identifier` is the successor of `user`; where both stand, a different `user` counts as unread. */
function readEndUser(body: ObjectReader): string | undefined {
  const current = body.optionalText("safety_identifier");
  const deprecated = body.optionalText("user");
  if (current !== undefined && deprecated !== undefined && current !== deprecated) body.leaveUnread("user");
  return current ?? deprecated;
}

/** How a request is handled and how its reply travels; what is not as Weir does it anyway counts as unread. */
function readHandling(body: ObjectReader): void {
  body.raw("stream");
  if (body.optionalBoolean("background") === true) throw body.fault("background", "must be false: Weir keeps no responses that could be fetched later; use stream for long ones");
  if (body.optionalText("truncation") === "auto") body.leaveUnread("truncation");
  const options = body.optionalObject("stream_options");
  // Weir's own stream has no obfuscation, so only the wish for it is unmet.
  if (options?.raw("include_obfuscation") === true) options.leaveUnread("include_obfuscation");
}
