/** Owns the writing of a streamed reply as `chat.completion.chunk` events. */
import type { Part, ToolCallPart } from "#gen/weir/inference/v1/content_pb.ts";
import type { CandidateEnd, PartDelta, PartStart, StreamEnd, StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { StreamWriter } from "../../../domain/dialect.ts";
import { writeAnnotation } from "./annotations.ts";
import { writeBase64, writeMediaUrl } from "../data-url.ts";
import { writeStreamError } from "../errors.ts";
import { writeFinish } from "./finish-reason.ts";
import { writeLogprobs } from "./logprobs.ts";
import { writeNativePart } from "./native-parts.ts";
import { detailsOf } from "./reasoning-details.ts";
import { identityOf, type ReplyIdentity } from "../reply-identity.ts";
import { writeUsage } from "../usage.ts";

export interface StreamOptions {
  /** The caller asked for the usage chunk. */
  readonly includeUsage: boolean;
  /** The caller speaks of `functions`, and so expects `function_call`. */
  readonly legacyFunctions: boolean;
}

export function createStreamWriter(options: StreamOptions): StreamWriter {
  return new ChunkWriter(options);
}

/** A part that is being written, with what its deltas need to know. */
interface OpenPart {
  readonly kind: Part["kind"];
  /** The place among its candidate's tool calls, or among its pieces of reasoning. */
  readonly place: number;
  /** Where a text part begins in the message's `content`. */
  readonly textOffset: number;
  textLength: number;
}

interface OpenCandidate {
  readonly parts: Map<number, OpenPart>;
  roleIsWritten: boolean;
  toolCalls: number;
  reasoningParts: number;
  textLength: number;
}

class ChunkWriter implements StreamWriter {
  readonly contentType = "text/event-stream; charset=utf-8";
  readonly keepAlive = ": keep-alive\n\n";
  readonly #options: StreamOptions;
  readonly #candidates = new Map<number, OpenCandidate>();
  #identity: ReplyIdentity = { id: "", model: "", created: 0 };

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  write(events: readonly StreamGenerateResponse[]): string {
    let text = "";
    for (const { event } of events) {
      if (event.case === "start") this.#identity = identityOf(event.value);
      else if (event.case === "partStart") text += this.#startPart(event.value);
      else if (event.case === "partDelta") text += this.#growPart(event.value);
      else if (event.case === "candidateEnd") text += this.#endCandidate(event.value);
      else if (event.case === "end") text += this.#end(event.value);
    }
    return text;
  }

  writeError(error: GatewayError, requestId: string): string {
    return writeStreamError(error, requestId);
  }

  #startPart({ candidateIndex, partIndex, part }: PartStart): string {
    if (part === undefined) return "";
    const candidate = this.#candidate(candidateIndex);
    const open: OpenPart = { kind: part.kind, place: placeOf(part, candidate), textOffset: candidate.textLength, textLength: 0 };
    candidate.parts.set(partIndex, open);
    const delta = this.#openingDelta(part, open, candidate);
    return delta === undefined ? "" : this.#choice(candidateIndex, delta);
  }

  #openingDelta({ kind }: Part, open: OpenPart, candidate: OpenCandidate): object | undefined {
    switch (kind.case) {
      case "text":
        grow(candidate, open, kind.value.text);
        if (kind.value.text === "" && candidate.roleIsWritten && kind.value.citations.length === 0) return undefined;
        return { content: kind.value.text, ...annotationsOf(kind.value.citations.map((citation) => writeAnnotation(citation, open.textOffset, open.textLength))) };
      case "refusal":
        return { refusal: kind.value.text };
      case "reasoning":
        return { reasoning_content: kind.value.text, ...reasoningDetails(detailsOf(kind.value, open.place)) };
      case "toolCall":
        return this.#openingCall(kind.value, open.place);
      case "audio":
        return { audio: { ...(kind.value.id === undefined ? {} : { id: kind.value.id }), ...(kind.value.transcript === undefined ? {} : { transcript: kind.value.transcript }), ...dataOf(kind.value.media) } };
      case "image":
        return kind.value.media === undefined ? undefined : { images: [{ type: "image_url", image_url: { url: writeMediaUrl(kind.value.media) } }] };
      case "native":
        return { native_parts: [writeNativePart(kind.value)] };
      default:
        return undefined;
    }
  }

  #openingCall(call: ToolCallPart, index: number): object | undefined {
    if (this.#options.legacyFunctions) return index > 0 ? undefined : { function_call: { name: call.name, arguments: call.arguments } };
    if (call.custom) return { tool_calls: [{ index, id: call.id, type: "custom", custom: { name: call.name, input: call.arguments } }] };
    return { tool_calls: [{ index, id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }] };
  }

  #growPart({ candidateIndex, partIndex, delta, logprobs }: PartDelta): string {
    const candidate = this.#candidate(candidateIndex);
    const open = candidate.parts.get(partIndex);
    const written = open === undefined ? undefined : this.#delta(delta, open, candidate);
    return written === undefined ? "" : this.#choice(candidateIndex, written, logprobs, open?.kind.case === "refusal" ? "refusal" : "content");
  }

  #delta(delta: PartDelta["delta"], open: OpenPart, candidate: OpenCandidate): object | undefined {
    switch (delta.case) {
      case "text":
        return this.#textDelta(delta.value, open, candidate);
      case "arguments":
        return this.#argumentsDelta(delta.value, open);
      case "signature":
        return reasoningDetails(detailsOf({ ...reasoningPiece(open), signature: delta.value }, open.place));
      case "citation":
        return annotationsOf([writeAnnotation(delta.value, open.textOffset, open.textLength)]);
      case "audio":
        return { audio: { data: writeBase64(delta.value) } };
      case "transcript":
        return { audio: { transcript: delta.value } };
      default:
        return undefined;
    }
  }

  #textDelta(text: string, open: OpenPart, candidate: OpenCandidate): object {
    if (open.kind.case === "refusal") return { refusal: text };
    if (open.kind.case === "reasoning") {
      return { reasoning_content: text, ...reasoningDetails(detailsOf({ ...reasoningPiece(open), text }, open.place)) };
    }
    grow(candidate, open, text);
    return { content: text };
  }

  #argumentsDelta(text: string, { kind, place }: OpenPart): object | undefined {
    if (this.#options.legacyFunctions) return place > 0 ? undefined : { function_call: { arguments: text } };
    if (kind.case === "toolCall" && kind.value.custom) return { tool_calls: [{ index: place, custom: { input: text } }] };
    return { tool_calls: [{ index: place, function: { arguments: text } }] };
  }

  #endCandidate(end: CandidateEnd): string {
    const { finish_reason, ...extras } = writeFinish(end, this.#options.legacyFunctions);
    return this.#choice(end.candidateIndex, {}, [], "content", finish_reason, extras);
  }

  #end({ usage, serviceTier }: StreamEnd): string {
    const written = this.#options.includeUsage ? writeUsage(usage) : undefined;
    const tier = serviceTier === undefined ? {} : { service_tier: serviceTier };
    const usageChunk = written === undefined ? "" : this.#chunk({ choices: [], usage: written, ...tier });
    return `${usageChunk}data: [DONE]\n\n`;
  }

  /** A chunk for one choice; its first names the role. */
  #choice(index: number, delta: object, logprobs: readonly TokenLogprob[] = [], of: "content" | "refusal" = "content", finishReason: string | null = null, extras: object = {}): string {
    const candidate = this.#candidate(index);
    const opening = candidate.roleIsWritten ? {} : { role: "assistant", content: null, refusal: null };
    candidate.roleIsWritten = true;
    const choice = { index, delta: { ...opening, ...delta }, logprobs: writeLogprobs(logprobs, of), finish_reason: finishReason, ...extras };
    return this.#chunk({ choices: [choice], ...(this.#options.includeUsage ? { usage: null } : {}) });
  }

  #chunk(members: object): string {
    const { id, created, model } = this.#identity;
    return `data: ${JSON.stringify({ id, object: "chat.completion.chunk", created, model, ...members })}\n\n`;
  }

  #candidate(index: number): OpenCandidate {
    let candidate = this.#candidates.get(index);
    if (candidate === undefined) {
      candidate = { parts: new Map(), roleIsWritten: false, toolCalls: 0, reasoningParts: 0, textLength: 0 };
      this.#candidates.set(index, candidate);
    }
    return candidate;
  }
}

function placeOf({ kind }: Part, candidate: OpenCandidate): number {
  if (kind.case === "toolCall") return candidate.toolCalls++;
  if (kind.case === "reasoning") return candidate.reasoningParts++;
  return 0;
}

function grow(candidate: OpenCandidate, open: OpenPart, text: string): void {
  open.textLength += text.length;
  candidate.textLength += text.length;
}

function reasoningPiece({ kind }: OpenPart) {
  return { text: "", signature: "", redactedData: "", isSummary: kind.case === "reasoning" && kind.value.isSummary };
}

function reasoningDetails(details: readonly object[]): object {
  return details.length === 0 ? {} : { reasoning_details: details };
}

function annotationsOf(annotations: readonly object[]): object {
  return annotations.length === 0 ? {} : { annotations };
}

function dataOf(media: Extract<Part["kind"], { case: "audio" }>["value"]["media"]): object {
  return media?.source.case === "data" ? { data: writeBase64(media.source.value) } : {};
}
