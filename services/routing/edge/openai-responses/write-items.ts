/** Owns output items and the content of messages, as they stand when they are complete. */
import { create } from "@bufbuild/protobuf";
import { PartSchema, type NativePart, type Part, type ReasoningPart, type TextPart, type ToolCallPart } from "#gen/weir/inference/v1/content_pb.ts";
import type { TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { writeBase64 } from "../openai/data-url.ts";
import { writeAnnotation } from "./annotations.ts";
import { readFreeText } from "./caller-tools.ts";
import { nativeDialect } from "./native-dialect.ts";
import { writeOpaquePart } from "./opaque-part.ts";
import type { ReplyForm } from "./reply-form.ts";

export type ItemStatus = "in_progress" | "completed" | "incomplete";

/** True for a part that is content of a message; all others are items of their own. */
export function isContent({ kind }: Part): boolean {
  switch (kind.case) {
    case "reasoning":
    case "toolCall":
    case "native":
      return false;
    case "image":
      return kind.value.media?.source.case !== "data";
    default:
      return true;
  }
}

export function messageItem(id: string, status: ItemStatus, content: readonly JsonObject[]): JsonObject {
  return { id, type: "message", status, role: "assistant", content };
}

/**
 * A part of a reply as content of a message.
 * What this API's messages have no place for (sound, a picture that has an address only) becomes text that says so.
 */
export function writeContent(part: Part, logprobs: readonly TokenLogprob[]): JsonObject {
  const { kind } = part;
  if (kind.case === "text") return outputText(kind.value, logprobs);
  if (kind.case === "refusal") return { type: "refusal", refusal: kind.value.text };
  if (kind.case === "image" && kind.value.media?.source.case === "url") return plainText(kind.value.media.source.value);
  return plainText((kind.case === "audio" && kind.value.transcript) || placeholder(kind.case ?? "unknown"));
}

function placeholder(what: string): string {
  return `[The reply holds a part of the kind "${what}", which this API cannot carry.]`;
}

export function outputText({ text, citations }: Pick<TextPart, "text" | "citations">, logprobs: readonly TokenLogprob[]): JsonObject {
  return { type: "output_text", text, annotations: citations.map((citation) => writeAnnotation(citation, text.length)), logprobs: writeLogprobs(logprobs) };
}

function plainText(text: string): JsonObject {
  return outputText({ text, citations: [] }, []);
}

export function writeLogprobs(logprobs: readonly TokenLogprob[]): JsonObject[] {
  return logprobs.map((logprob) => ({ ...writeToken(logprob), top_logprobs: logprob.top.map(writeToken) }));
}

function writeToken({ token, logprob, tokenBytes }: TokenLogprob): JsonObject {
  return { token, logprob, bytes: [...tokenBytes] };
}

/** By what the id of an item of this part begins with. */
export function idPrefix({ kind }: Part, form: ReplyForm): string {
  switch (kind.case) {
    case "toolCall":
      return takesFreeText(kind.value, form) ? "ctc" : "fc";
    case "image":
      return "ig";
    default:
      return "rs";
  }
}

/** The item of a part that is no content. */
export function writeItem(part: Part, id: string, status: ItemStatus, form: ReplyForm): JsonObject {
  const { kind } = part;
  switch (kind.case) {
    case "reasoning":
      return reasoningItem(kind.value, id, form);
    case "toolCall":
      return toolCallItem(kind.value, id, status, form);
    case "image":
      return { id, type: "image_generation_call", status, result: kind.value.media?.source.case === "data" ? writeBase64(kind.value.media.source.value) : null };
    case "native":
      return kind.value.dialect === nativeDialect ? parseNative(kind.value) : opaqueItem(part, id);
    default:
      return opaqueItem(part, id);
  }
}

/** True when reasoning goes as a summary. */
export function goesAsSummary({ isSummary }: Pick<ReasoningPart, "isSummary">, { reasoningIsSummary }: ReplyForm): boolean {
  return isSummary || reasoningIsSummary;
}

function reasoningItem(reasoning: ReasoningPart, id: string, form: ReplyForm): JsonObject {
  const opaque = writeOpaquePart(create(PartSchema, { kind: { case: "reasoning", value: reasoning } }));
  const { text } = reasoning;
  const isSummary = goesAsSummary(reasoning, form);
  return {
    id,
    type: "reasoning",
    summary: isSummary && text !== "" ? [{ type: "summary_text", text }] : [],
    ...(isSummary || text === "" ? {} : { content: [{ type: "reasoning_text", text }] }),
    encrypted_content: opaque,
  };
}

function toolCallItem(call: ToolCallPart, id: string, status: ItemStatus, form: ReplyForm): JsonObject {
  const { name, namespace } = form.tools.find(call.name);
  const named = { call_id: call.id, name, ...(namespace === undefined ? {} : { namespace }) };
  if (takesFreeText(call, form)) return { id, type: "custom_tool_call", status, ...named, input: writeInput(call) };
  return { id, type: "function_call", status, ...named, arguments: call.arguments };
}

/** True for a call of a custom tool, also where the vendor knows it as a function. */
export function takesFreeText({ name, custom }: ToolCallPart, { tools }: ReplyForm): boolean {
  return custom || tools.find(name).custom;
}

/** What a custom tool gets. */
export function writeInput({ arguments: written, custom }: ToolCallPart): string {
  return custom ? written : readFreeText(written);
}

/** Another vendor's own piece: clients do not look into reasoning, and bring it back. */
function opaqueItem(part: Part, id: string): JsonObject {
  return { id, type: "reasoning", summary: [], encrypted_content: writeOpaquePart(part) };
}

function parseNative({ json }: NativePart): JsonObject {
  return JSON.parse(Buffer.from(json).toString()) as JsonObject;
}
