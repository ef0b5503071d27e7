/** Owns the reading of a whole reply, and of what one has in common with a message of a stream. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Role, type Part, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason, type TokenLogprobSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary } from "../../domain/adapter.ts";
import { parseExactJson } from "../../domain/translation/exact-json.ts";
import { asObject, asObjects, asText, isObject, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { readIsoTime } from "../../domain/translation/vendor-time.ts";
import { readUsage } from "./usage.ts";

type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;
type TokenLogprobInit = MessageInitShape<typeof TokenLogprobSchema>;

/** Throws UPSTREAM_PROTOCOL when it is no reply. */
export function readReply(body: Uint8Array): { readonly response: GenerateResponse; readonly summary: ReplySummary } {
  const reply = parseMessage(textOf(body));
  const { message } = reply;
  if (!isObject(message)) throw new GatewayError("UPSTREAM_PROTOCOL", "Ollama's reply holds no message; try again, or use another target.");
  const summary = summarize(reply);
  const calls = readToolCalls(message, reply, 0);
  const parts = [...readTexts(message), ...readImages(message), ...calls.map((value): PartInit => ({ kind: { case: "toolCall", value } }))];
  const createTime = readTime(reply);
  const response = create(GenerateResponseSchema, {
    model: summary.servedModel,
    candidates: [
      {
        message: { role: Role.ASSISTANT, parts },
        finishReason: readFinishReason(summary.finishReason, calls.length > 0),
        nativeFinishReason: summary.finishReason,
        logprobs: readLogprobs(reply),
      },
    ],
    ...(createTime === undefined ? {} : { createTime }),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
  });
  return { response, summary };
}

export function summarizeReply(body: Uint8Array): ReplySummary {
  return summarize(parseMessage(textOf(body)));
}

/** The JSON of a reply or a line. The arguments of tools keep long whole numbers. Throws UPSTREAM_PROTOCOL when it is no object. */
export function parseMessage(text: string): JsonObject {
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (cause) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Ollama sent what is not valid JSON; try again, or use another target.", { cause });
  }
  if (!isObject(value)) throw new GatewayError("UPSTREAM_PROTOCOL", "Ollama sent JSON that is not an object; try again, or use another target.");
  return value;
}

export function summarize(reply: JsonObject): ReplySummary {
  return { usage: readUsage(reply), finishReason: asText(reply["done_reason"]), servedModel: asText(reply["model"]), serviceTier: "" };
}

/** Old servers say nothing of why they are done. */
export function readFinishReason(word: string, hasToolCalls: boolean): FinishReason {
  switch (word) {
    case "":
    case "stop":
      return hasToolCalls ? FinishReason.TOOL_CALLS : FinishReason.STOP;
    case "length":
      return FinishReason.LENGTH;
    default:
      return FinishReason.OTHER;
  }
}

export function readTime(reply: JsonObject): Timestamp | undefined {
  return readIsoTime(reply["created_at"]);
}

interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** The calls of a message; an old server gives them no ids, so they get some that no other message's calls have. */
export function readToolCalls(message: JsonObject, reply: JsonObject, firstIndex: number): ToolCall[] {
  return asObjects(message["tool_calls"]).map((call, index) => {
    const called = asObject(call["function"]);
    const id = asText(call["id"]) || `call_${Date.parse(asText(reply["created_at"])) || 0}_${firstIndex + index}`;
    return { id, name: asText(called["name"]), arguments: JSON.stringify(called["arguments"] ?? {}) };
  });
}

/** The pictures of a message, as base64. */
export function readImages(message: JsonObject): PartInit[] {
  const { images } = message;
  if (!Array.isArray(images)) return [];
  return images.filter((image) => typeof image === "string").map((image): PartInit => ({ kind: { case: "image", value: { media: { source: { case: "data", value: new Uint8Array(Buffer.from(image, "base64")) } } } } }));
}

export function readLogprobs(reply: JsonObject): TokenLogprobInit[] {
  return asObjects(reply["logprobs"]).map((token) => ({ ...readToken(token), top: asObjects(token["top_logprobs"]).map(readToken) }));
}

function readToken(token: JsonObject): { token: string; logprob: number; tokenBytes: Uint8Array<ArrayBuffer> } {
  const bytes = Array.isArray(token["bytes"]) ? (token["bytes"] as unknown[]).map(Number) : [];
  return { token: asText(token["token"]), logprob: Number(token["logprob"] ?? 0), tokenBytes: Uint8Array.from(bytes) };
}

function readTexts(message: JsonObject): PartInit[] {
  const thinking = asText(message["thinking"]);
  const content = asText(message["content"]);
  return [
    ...(thinking === "" ? [] : [{ kind: { case: "reasoning" as const, value: { text: thinking } } }]),
    ...(content === "" ? [] : [{ kind: { case: "text" as const, value: { text: content } } }]),
  ];
}
