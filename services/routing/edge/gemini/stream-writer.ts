/** Owns the writing of a streamed reply as GenerateContentResponses, each with what is new. */
import type { Citation, Part } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason, type TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import type { PartDelta, PartEnd, PartStart, StreamEnd, StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { JsonObject, StreamWriter } from "../../domain/dialect.ts";
import { writeErrorPiece, type Framing } from "./framing.ts";
import { writeFinish, type Ending } from "./finish-reason.ts";
import { writeGrounding, type CitedText } from "./grounding.ts";
import { writeLogprobs } from "./logprobs.ts";
import { writeUsage } from "./usage.ts";
import { signed, writeFunctionCall, writeMedia, writePart, writeThought, writeTranscript } from "./write-parts.ts";
import { writeIdentity } from "./write-reply.ts";

/** A part as far as it has come. */
interface GrowingPart {
  readonly part: Part;
  /** A function call is written when it is whole: Gemini's callers get its arguments as an object. */
  arguments: string;
  signature: string;
  /** Whether any of its text was written. */
  isWritten: boolean;
}

interface GrowingCandidate {
  readonly parts: Map<number, GrowingPart>;
  readonly texts: Map<number, { text: string; citations: Citation[] }>;
  /** A signature that is to stand on the next part. */
  signature: string;
  ending: Ending;
}

export class GeminiStreamWriter implements StreamWriter {
  readonly contentType: string;
  // Google's clients wait for ever behind a line that is no data.
  readonly keepAlive = "";
  readonly #framing: Framing;
  readonly #candidates = new Map<number, GrowingCandidate>();
  #identity: JsonObject = {};

  constructor(framing: Framing) {
    this.#framing = framing;
    this.contentType = framing.contentType;
  }

  write(events: readonly StreamGenerateResponse[]): string {
    return events.map(({ event }) => this.#writeEvent(event)).join("");
  }

  writeError(error: GatewayError, requestId: string): string {
    return writeErrorPiece(this.#framing, error, requestId);
  }

  relay(native: Uint8Array): Uint8Array | string {
    return this.#framing.relay(native);
  }

  end(): string {
    return this.#framing.end();
  }

  #writeEvent(event: StreamGenerateResponse["event"]): string {
    switch (event.case) {
      case "start":
        this.#identity = writeIdentity(event.value);
        return "";
      case "partStart":
        return this.#startPart(event.value);
      case "partDelta":
        return this.#growPart(event.value);
      case "partEnd":
        return this.#endPart(event.value);
      case "candidateEnd":
        this.#candidate(event.value.candidateIndex).ending = event.value;
        return "";
      case "end":
        return this.#end(event.value);
      default:
        return "";
    }
  }

  #startPart({ candidateIndex, partIndex, part }: PartStart): string {
    if (part === undefined) return "";
    const candidate = this.#candidate(candidateIndex);
    const { kind } = part;
    const growing: GrowingPart = { part, arguments: "", signature: "", isWritten: false };
    candidate.parts.set(partIndex, growing);
    switch (kind.case) {
      case "text":
        candidate.texts.set(partIndex, { text: kind.value.text, citations: [...kind.value.citations] });
        return kind.value.text === "" ? "" : this.#piece(candidateIndex, writePart(part));
      case "refusal":
        return kind.value.text === "" ? "" : this.#piece(candidateIndex, writePart(part));
      case "toolCall":
        growing.arguments = kind.value.arguments;
        return "";
      case "reasoning":
        growing.signature = kind.value.signature;
        if (kind.value.redactedData !== "") return this.#piece(candidateIndex, writePart(part));
        if (kind.value.text === "") return "";
        growing.isWritten = true;
        return this.#piece(candidateIndex, writeThought(kind.value.text, ""));
      case "audio":
        return isEmptyAudio(part) ? "" : this.#piece(candidateIndex, writePart(part));
      default:
        return this.#piece(candidateIndex, writePart(part));
    }
  }

  #growPart({ candidateIndex, partIndex, delta, logprobs }: PartDelta): string {
    const candidate = this.#candidate(candidateIndex);
    const growing = candidate.parts.get(partIndex);
    if (growing === undefined) return "";
    switch (delta.case) {
      case "text":
        return this.#growText(candidateIndex, partIndex, growing, delta.value, logprobs);
      case "arguments":
        growing.arguments += delta.value;
        return "";
      case "signature":
        growing.signature += delta.value;
        return "";
      case "citation":
        candidate.texts.get(partIndex)?.citations.push(delta.value);
        return "";
      case "audio":
        return this.#piece(candidateIndex, writeMedia({ source: { case: "data", value: delta.value }, mediaType: audioTypeOf(growing.part) }, undefined));
      case "transcript":
        return this.#piece(candidateIndex, writeTranscript(delta.value));
      default:
        return "";
    }
  }

  #growText(candidateIndex: number, partIndex: number, growing: GrowingPart, text: string, logprobs: readonly TokenLogprob[]): string {
    growing.isWritten = true;
    if (growing.part.kind.case === "reasoning") return this.#piece(candidateIndex, writeThought(text, ""), logprobs);
    const whole = this.#candidate(candidateIndex).texts.get(partIndex);
    if (whole !== undefined) whole.text += text;
    return this.#piece(candidateIndex, { text }, logprobs);
  }

  #endPart({ candidateIndex, partIndex }: PartEnd): string {
    const candidate = this.#candidate(candidateIndex);
    const growing = candidate.parts.get(partIndex);
    if (growing === undefined) return "";
    candidate.parts.delete(partIndex);
    const { kind } = growing.part;
    if (kind.case === "toolCall") return this.#piece(candidateIndex, writeFunctionCall({ ...kind.value, arguments: growing.arguments }));
    if (growing.signature === "") return "";
    if (growing.isWritten) return this.#piece(candidateIndex, writeThought("", growing.signature));
    const earlier = candidate.signature;
    candidate.signature = growing.signature;
    return earlier === "" ? "" : this.#chunk([{ content: { parts: [writeThought("", earlier)], role: "model" }, index: candidateIndex }]);
  }

  /** The last piece: why each candidate ended, and what it cost. */
  #end({ usage, serviceTier }: StreamEnd): string {
    let text = "";
    for (const [index, candidate] of this.#candidates) {
      for (const partIndex of candidate.parts.keys()) text += this.#endPart({ candidateIndex: index, partIndex } as PartEnd);
    }
    const written = writeUsage(usage);
    const candidates = [...this.#candidates].map(([index, candidate]) => lastPiece(index, candidate));
    return text + this.#chunk(candidates, { ...(written === undefined ? {} : { usageMetadata: written }), ...(serviceTier === undefined ? {} : { serviceTier }) });
  }

  #piece(candidateIndex: number, part: JsonObject, logprobs: readonly TokenLogprob[] = []): string {
    const candidate = this.#candidate(candidateIndex);
    const parts = [signed(part, candidate.signature)];
    candidate.signature = "";
    return this.#chunk([{ content: { parts, role: "model" }, index: candidateIndex, ...writeLogprobs(logprobs) }]);
  }

  #chunk(candidates: readonly JsonObject[], members: JsonObject = {}): string {
    return this.#framing.write(JSON.stringify({ candidates, ...members, ...this.#identity }));
  }

  #candidate(index: number): GrowingCandidate {
    let candidate = this.#candidates.get(index);
    if (candidate === undefined) {
      candidate = { parts: new Map(), texts: new Map(), signature: "", ending: { finishReason: FinishReason.UNSPECIFIED, nativeFinishReason: "" } };
      this.#candidates.set(index, candidate);
    }
    return candidate;
  }
}

/** Google's own last piece has an empty text; clients take a content without parts for a fault. */
function lastPiece(index: number, { ending, texts, signature }: GrowingCandidate): JsonObject {
  const part = signature === "" ? { text: "" } : writeThought("", signature);
  return { content: { parts: [part], role: "model" }, ...writeFinish(ending), index, ...writeGrounding(citedTexts(texts)) };
}

/** In a stream the text is one for the caller, however many parts it has: the ranges count from its beginning. */
function citedTexts(texts: GrowingCandidate["texts"]): CitedText[] {
  let before = "";
  return [...texts.values()].map(({ text, citations }) => {
    const offset = before.length;
    before += text;
    const moved = citations.map((citation) => ({ ...citation, startIndex: offset + (citation.startIndex ?? 0), endIndex: offset + (citation.endIndex ?? text.length) }));
    return { text: before, citations: moved, index: 0 };
  });
}

function isEmptyAudio({ kind }: Part): boolean {
  if (kind.case !== "audio") return false;
  const { media, transcript } = kind.value;
  return transcript === undefined && (media?.source.case !== "data" || media.source.value.length === 0);
}

function audioTypeOf({ kind }: Part): string {
  return kind.case === "audio" ? (kind.value.media?.mediaType ?? "") : "";
}
