/** Owns the writing of a streamed reply as lines of JSON, each with what is new; the last one says that it is done. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason, type TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import type { PartDelta, PartStart, StreamEnd, StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { JsonObject, StreamWriter } from "../../domain/dialect.ts";
import { sayPart, writeCall, writeDoneReason, writeIdentity, writeLogprobs, writeUsage, type Ending, type Said, type Shape } from "./reply.ts";

/** A part as far as it has come; a tool call is written when it is whole. */
interface GrowingPart {
  readonly part: Part;
  arguments: string;
}

export class OllamaStreamWriter implements StreamWriter {
  readonly contentType = "application/x-ndjson";
  // Every line is taken for a piece of the reply.
  readonly keepAlive = "";
  readonly #shape: Shape;
  readonly #parts = new Map<number, GrowingPart>();
  #calls = 0;
  #identity: JsonObject = {};
  #ending: Ending = { finishReason: FinishReason.UNSPECIFIED, nativeFinishReason: "" };

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  write(events: readonly StreamGenerateResponse[]): string {
    return events.map(({ event }) => this.#writeEvent(event)).join("");
  }

  /** https://docs.ollama.com/api/errors#errors-that-occur-while-streaming */
  writeError(error: GatewayError): string {
    return `${JSON.stringify({ error: error.message })}\n`;
  }

  #writeEvent(event: StreamGenerateResponse["event"]): string {
    switch (event.case) {
      case "start":
        this.#identity = writeIdentity(event.value);
        return "";
      case "partStart":
        return isFirstCandidate(event.value) ? this.#startPart(event.value) : "";
      case "partDelta":
        return isFirstCandidate(event.value) ? this.#growPart(event.value) : "";
      case "partEnd":
        return isFirstCandidate(event.value) ? this.#endPart(event.value.partIndex) : "";
      case "candidateEnd":
        if (isFirstCandidate(event.value)) this.#ending = event.value;
        return "";
      case "end":
        return this.#end(event.value);
      default:
        return "";
    }
  }

  #startPart({ partIndex, part }: PartStart): string {
    if (part === undefined) return "";
    this.#parts.set(partIndex, { part, arguments: part.kind.case === "toolCall" ? part.kind.value.arguments : "" });
    return part.kind.case === "toolCall" ? "" : this.#line(sayPart(part));
  }

  #growPart({ partIndex, delta, logprobs }: PartDelta): string {
    const growing = this.#parts.get(partIndex);
    if (growing === undefined) return "";
    if (delta.case === "arguments") growing.arguments += delta.value;
    else if (delta.case === "text") return this.#line(growing.part.kind.case === "reasoning" ? { thinking: delta.value } : { text: delta.value }, logprobs);
    else if (delta.case === "transcript") return this.#line({ text: delta.value });
    return "";
  }

  #endPart(partIndex: number): string {
    const growing = this.#parts.get(partIndex);
    this.#parts.delete(partIndex);
    if (growing?.part.kind.case !== "toolCall") return "";
    return this.#line({ calls: [writeCall({ ...growing.part.kind.value, arguments: growing.arguments }, this.#calls++)] });
  }

  #end({ usage }: StreamEnd): string {
    const rest = [...this.#parts.keys()].map((partIndex) => this.#endPart(partIndex)).join("");
    return rest + this.#write({ ...this.#shape({}), done: true, done_reason: writeDoneReason(this.#ending), ...writeUsage(usage) });
  }

  #line(said: Said, logprobs: readonly TokenLogprob[] = []): string {
    const isEmpty = !said.text && !said.thinking && !said.images?.length && !said.calls?.length && logprobs.length === 0;
    return isEmpty ? "" : this.#write({ ...this.#shape(said), done: false, ...writeLogprobs(logprobs) });
  }

  #write(members: JsonObject): string {
    return `${JSON.stringify({ ...this.#identity, ...members })}\n`;
  }
}

/** A reply has one candidate; see writeReply. */
function isFirstCandidate({ candidateIndex }: { readonly candidateIndex: number }): boolean {
  return candidateIndex === 0;
}
