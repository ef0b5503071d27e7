/** Owns the writing of a whole reply as a `chat.completion`. */
import type { Part, TextPart, ToolCallPart } from "#gen/weir/inference/v1/content_pb.ts";
import type { Candidate } from "#gen/weir/inference/v1/generation_pb.ts";
import type { GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { writeAnnotation } from "./annotations.ts";
import { writeBase64, writeMediaUrl } from "../data-url.ts";
import { writeFinish } from "./finish-reason.ts";
import { writeLogprobs } from "./logprobs.ts";
import { writeNativePart } from "./native-parts.ts";
import { writeReasoning } from "./reasoning-details.ts";
import { identityOf } from "../reply-identity.ts";
import { writeUsage } from "../usage.ts";

export function writeReply(response: GenerateResponse, legacyFunctions: boolean): object {
  const { id, model, created } = identityOf(response);
  const usage = writeUsage(response.usage);
  return {
    id,
    object: "chat.completion",
    created,
    model,
    choices: response.candidates.map((candidate) => writeChoice(candidate, created, legacyFunctions)),
    ...(usage === undefined ? {} : { usage }),
    ...(response.serviceTier === undefined ? {} : { service_tier: response.serviceTier }),
  };
}

function writeChoice(candidate: Candidate, created: number, legacyFunctions: boolean): object {
  const parts = candidate.message?.parts ?? [];
  const isRefusal = valuesOf(parts, "refusal").length > 0 && valuesOf(parts, "text").length === 0;
  return {
    index: candidate.index,
    message: writeMessage(parts, created, legacyFunctions),
    logprobs: writeLogprobs(candidate.logprobs, isRefusal ? "refusal" : "content"),
    ...writeFinish(candidate, legacyFunctions),
  };
}

function writeMessage(parts: readonly Part[], created: number, legacyFunctions: boolean): object {
  const texts = valuesOf(parts, "text");
  const refusals = valuesOf(parts, "refusal");
  return {
    role: "assistant",
    content: texts.length === 0 ? null : texts.map(({ text }) => text).join(""),
    refusal: refusals.length === 0 ? null : refusals.map(({ text }) => text).join(""),
    annotations: writeAnnotations(texts),
    ...writeReasoning(valuesOf(parts, "reasoning")),
    ...writeImages(parts),
    ...writeAudio(parts, created),
    ...writeToolCalls(valuesOf(parts, "toolCall"), legacyFunctions),
    ...writeNativeParts(parts),
  };
}

function writeAnnotations(texts: readonly TextPart[]): object[] {
  let offset = 0;
  return texts.flatMap(({ text, citations }) => {
    const start = offset;
    offset += text.length;
    return citations.map((citation) => writeAnnotation(citation, start, text.length));
  });
}

function writeToolCalls(calls: readonly ToolCallPart[], legacyFunctions: boolean): object {
  const [first] = calls;
  if (first === undefined) return {};
  if (legacyFunctions) return { function_call: { name: first.name, arguments: first.arguments } };
  return { tool_calls: calls.map(writeToolCall) };
}

function writeToolCall(call: ToolCallPart): object {
  if (call.custom) return { id: call.id, type: "custom", custom: { name: call.name, input: call.arguments } };
  return { id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } };
}

function writeAudio(parts: readonly Part[], created: number): object {
  const [audio] = valuesOf(parts, "audio");
  if (audio === undefined) return {};
  const data = audio.media?.source.case === "data" ? writeBase64(audio.media.source.value) : "";
  // Types do not know until when the vendor keeps the sound; "no longer" is the safe answer.
  return { audio: { id: audio.id ?? "", data, expires_at: created, transcript: audio.transcript ?? "" } };
}

function writeImages(parts: readonly Part[]): object {
  const images = valuesOf(parts, "image").flatMap(({ media }) => (media === undefined ? [] : [{ type: "image_url", image_url: { url: writeMediaUrl(media) } }]));
  return images.length === 0 ? {} : { images };
}

function writeNativeParts(parts: readonly Part[]): object {
  const natives = valuesOf(parts, "native").map(writeNativePart);
  return natives.length === 0 ? {} : { native_parts: natives };
}

type Kind = Exclude<Part["kind"], { case: undefined }>;
type ValueOf<Case extends Kind["case"]> = Extract<Kind, { case: Case }>["value"];

function valuesOf<Case extends Kind["case"]>(parts: readonly Part[], kind: Case): ValueOf<Case>[] {
  return parts.filter((part) => part.kind.case === kind).map((part) => part.kind.value as ValueOf<Case>);
}
