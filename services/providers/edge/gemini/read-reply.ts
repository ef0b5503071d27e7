/** Owns the reading of a whole reply. */
import { create } from "@bufbuild/protobuf";
import { Role, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import { CandidateSchema, FinishReason, type Candidate } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, StreamGenerateResponseSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary, StreamEventInit } from "../../domain/adapter.ts";
import { GeneratedText } from "../../domain/usage/generated-output.ts";
import { asCount, asObject, asObjects, asText, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { readIsoTime } from "../../domain/translation/vendor-time.ts";
import { CandidateReader } from "./candidate-reader.ts";
import { countSearches } from "./citations.ts";
import { finishWordOf } from "./finish-reason.ts";
import { parseReplyJson } from "./reply-json.ts";
import { readUsage, serviceTierOf } from "./usage.ts";

/** Throws UPSTREAM_PROTOCOL when it is no reply. */
export function readReply(body: Uint8Array): { readonly response: GenerateResponse; readonly summary: ReplySummary } {
  const reply = parseReplyJson(textOf(body));
  const summary = summarize(reply);
  const id = asText(reply["responseId"]);
  // The Gemini API does not say it, Vertex AI does.
  const createTime = readIsoTime(reply["createTime"]);
  const response = create(GenerateResponseSchema, {
    id,
    model: summary.servedModel,
    candidates: readCandidates(reply, id),
    ...(createTime === undefined ? {} : { createTime }),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
    ...(summary.serviceTier === "" ? {} : { serviceTier: summary.serviceTier }),
  });
  return { response, summary };
}

/** Throws UPSTREAM_PROTOCOL when it is no JSON object. */
export function summarizeReply(body: Uint8Array): ReplySummary {
  return summarize(parseReplyJson(textOf(body)));
}

/** Why a prompt was not answered; empty when it was. */
export function blockReasonOf(reply: JsonObject): string {
  const reason = asText(asObject(reply["promptFeedback"])["blockReason"]);
  return reason === "BLOCKED_REASON_UNSPECIFIED" ? "" : reason;
}

function summarize(reply: JsonObject): ReplySummary {
  const candidates = asObjects(reply["candidates"]);
  const searches = candidates.reduce((sum, candidate) => sum + countSearches(asObject(candidate["groundingMetadata"])), 0);
  const metadata = reply["usageMetadata"];
  return {
    usage: readUsage(metadata, searches),
    finishReason: finishWordOf(candidates[0]?.["finishReason"]) || blockReasonOf(reply),
    servedModel: asText(reply["modelVersion"]),
    serviceTier: serviceTierOf(metadata),
  };
}

/** A prompt that Google withheld an answer to is one candidate that says nothing. */
function readCandidates(reply: JsonObject, id: string): Candidate[] {
  const candidates = asObjects(reply["candidates"]);
  if (candidates.length > 0) return candidates.map((candidate, position) => readCandidate(candidate, asCount(candidate["index"]) ?? position, id));
  const nativeFinishReason = blockReasonOf(reply);
  if (nativeFinishReason === "") throw new GatewayError("UPSTREAM_PROTOCOL", "Gemini's reply holds no candidate; try again, or use another target.");
  return [create(CandidateSchema, { message: { role: Role.ASSISTANT }, finishReason: FinishReason.CONTENT_FILTER, nativeFinishReason })];
}

/** As it would be streamed, put together again, so that there is one way of reading. */
function readCandidate(json: JsonObject, index: number, replyId: string): Candidate {
  const reader = new CandidateReader(index, replyId, new GeneratedText());
  const candidate = create(CandidateSchema, { index, message: { role: Role.ASSISTANT } });
  for (const init of [...reader.read(json), ...reader.close()]) apply(candidate, init);
  return candidate;
}

function apply(candidate: Candidate, init: StreamEventInit): void {
  const { event } = create(StreamGenerateResponseSchema, init);
  const { parts } = candidate.message!;
  switch (event.case) {
    case "partStart":
      parts.push(event.value.part!);
      return;
    case "partDelta":
      grow(parts[event.value.partIndex]!, event.value.delta);
      candidate.logprobs.push(...event.value.logprobs);
      return;
    case "candidateEnd":
      candidate.finishReason = event.value.finishReason;
      candidate.nativeFinishReason = event.value.nativeFinishReason;
      return;
  }
}

type Delta = Extract<ReturnType<typeof create<typeof StreamGenerateResponseSchema>>["event"], { case: "partDelta" }>["value"]["delta"];

function grow({ kind }: Part, delta: Delta): void {
  if (delta.case === "text" && (kind.case === "text" || kind.case === "reasoning")) kind.value.text += delta.value;
  else if (delta.case === "arguments" && kind.case === "toolCall") kind.value.arguments += delta.value;
  else if (delta.case === "signature" && kind.case === "reasoning") kind.value.signature += delta.value;
  else if (delta.case === "citation" && kind.case === "text") kind.value.citations.push(delta.value);
  else if (delta.case === "audio" && kind.case === "audio" && kind.value.media?.source.case === "data") {
    kind.value.media.source.value = new Uint8Array(Buffer.concat([kind.value.media.source.value, delta.value]));
  }
}
