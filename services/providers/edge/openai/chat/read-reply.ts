/** Owns the reading of a whole `chat.completion`. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Role, type Part, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { Candidate, CandidateSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary } from "../../../domain/adapter.ts";
import { readCitations } from "./citations.ts";
import { readFinishReason } from "./finish-reason.ts";
import { asCount, asObject, asObjects, asText, isObject, parseVendorJson, textOf, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readSeconds } from "../../../domain/translation/vendor-time.ts";
import { readLogprobs } from "./logprobs.ts";
import { readImageUrl } from "./media-url.ts";
import { joinPieces, readReasoningPieces, readThinkingPart } from "./reasoning.ts";
import { readUsage } from "./usage.ts";

type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;

/** Throws UPSTREAM_PROTOCOL when the body is no JSON object or holds no choice. */
export function readReply(body: Uint8Array): { readonly response: GenerateResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const choices = choicesOf(reply);
  const summary = summarize(reply);
  const createTime = readSeconds(reply["created"]);
  const id = asText(reply["id"]);
  const response = create(GenerateResponseSchema, {
    id,
    model: summary.servedModel,
    candidates: choices.map((choice, position) => readChoice(choice, position, id)),
    ...(createTime === undefined ? {} : { createTime }),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
    ...(summary.serviceTier === "" ? {} : { serviceTier: summary.serviceTier }),
  });
  return { response, summary };
}

/** Throws as `readReply` does: what is no reply is none for callers of the vendor's own dialect either. */
export function summarizeReply(body: Uint8Array): ReplySummary {
  const reply = parseVendorJson(textOf(body));
  choicesOf(reply);
  return summarize(reply);
}

/** An id for a call whose server gave it none, so that the tool's result can name it. */
export function fallbackCallId(replyId: string, candidateIndex: number, callIndex: number): string {
  return `call_${replyId}_${candidateIndex}_${callIndex}`;
}

function choicesOf(reply: JsonObject): readonly JsonObject[] {
  const choices = asObjects(reply["choices"]);
  if (choices.length > 0) return choices;
  throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor's reply holds no choice; try again, or use another target.");
}

function summarize(reply: JsonObject): ReplySummary {
  return {
    usage: readUsage(reply["usage"]),
    finishReason: asText(asObjects(reply["choices"])[0]?.["finish_reason"]),
    servedModel: asText(reply["model"]),
    serviceTier: asText(reply["service_tier"]),
  };
}

function readChoice(choice: JsonObject, position: number, replyId: string): Exclude<MessageInitShape<typeof CandidateSchema>, Candidate> {
  const index = asCount(choice["index"]) ?? position;
  const parts = readParts(asObject(choice["message"]), index, replyId);
  const word = asText(choice["finish_reason"]);
  const stopSequence = asText(choice["stop_reason"]);
  return {
    index,
    message: { role: Role.ASSISTANT, parts },
    finishReason: readFinishReason(word, parts.some(({ kind }) => kind?.case === "toolCall")),
    nativeFinishReason: word,
    logprobs: [...readLogprobs(choice, "content"), ...readLogprobs(choice, "refusal")],
    ...(stopSequence === "" ? {} : { stopSequence }),
  };
}

function readParts(message: JsonObject, candidateIndex: number, replyId: string): PartInit[] {
  return [
    ...joinPieces(readReasoningPieces(message)).map(({ text, signature, redactedData, isSummary }): PartInit => ({ kind: { case: "reasoning", value: { text, signature, redactedData, isSummary } } })),
    ...readContent(message),
    ...readRefusal(message),
    ...asObjects(message["images"]).flatMap(readImageUrl),
    ...readAudio(message),
    ...asObjects(message["tool_calls"]).map((call, callIndex) => readToolCall(call, fallbackCallId(replyId, candidateIndex, callIndex))),
    ...readLegacyCall(message, fallbackCallId(replyId, candidateIndex, 0)),
  ];
}

function readContent(message: JsonObject): PartInit[] {
  const { content } = message;
  const citations = readCitations(message);
  if (Array.isArray(content)) return asObjects(content).filter((part) => part["type"] !== "text" || asText(part["text"]) !== "").map(readContentPart);
  const text = asText(content);
  return text === "" && citations.length === 0 ? [] : [{ kind: { case: "text", value: { text, citations } } }];
}

/** OpenAI's own replies have plain text; some servers send parts (Mistral). */
function readContentPart(part: JsonObject): PartInit {
  if (part["type"] === "text") return { kind: { case: "text", value: { text: asText(part["text"]) } } };
  const thinking = readThinkingPart(part);
  if (thinking !== undefined) return { kind: { case: "reasoning", value: { text: thinking.text, signature: thinking.signature } } };
  return { kind: { case: "native", value: { dialect: "openai", json: new TextEncoder().encode(JSON.stringify(part)) } } };
}

function readRefusal(message: JsonObject): PartInit[] {
  const text = asText(message["refusal"]);
  return text === "" ? [] : [{ kind: { case: "refusal", value: { text } } }];
}

function readAudio(message: JsonObject): PartInit[] {
  const { audio } = message;
  if (!isObject(audio)) return [];
  const data = new Uint8Array(Buffer.from(asText(audio["data"]), "base64"));
  return [{ kind: { case: "audio", value: { id: asText(audio["id"]), transcript: asText(audio["transcript"]), media: { source: { case: "data", value: data } } } } }];
}

function readToolCall(call: JsonObject, fallbackId: string): PartInit {
  const custom = call["type"] === "custom";
  const called = asObject(call[custom ? "custom" : "function"]);
  const id = idOf(call) || fallbackId;
  return { kind: { case: "toolCall", value: { id, name: asText(called["name"]), arguments: argumentsOf(called[custom ? "input" : "arguments"]), custom } } };
}

function readLegacyCall(message: JsonObject, id: string): PartInit[] {
  const call = message["function_call"];
  if (!isObject(call)) return [];
  return [{ kind: { case: "toolCall", value: { id, name: asText(call["name"]), arguments: argumentsOf(call["arguments"]) } } }];
}

/** The call's id; empty when there is none, which Mistral says with the word `null`. */
export function idOf(call: JsonObject): string {
  const id = asText(call["id"]);
  return id === "null" ? "" : id;
}

/** Some servers send the arguments as an object in place of its text. */
export function argumentsOf(value: unknown): string {
  return isObject(value) ? JSON.stringify(value) : asText(value);
}
