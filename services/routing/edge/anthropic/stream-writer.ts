/** Owns the writing of a streamed reply as Anthropic's events: blocks one after another, each started, grown and stopped. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { PartDelta, StreamEnd, StreamGenerateResponse, StreamStart } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { JsonObject, StreamWriter } from "../../domain/dialect.ts";
import { writeErrorEvent } from "./errors.ts";
import type { Ending } from "./stop-reason.ts";
import { writeServiceTier, writeUsage } from "./usage.ts";
import { toolUseBlock, writeBlock, writeCitation } from "./write-content.ts";
import { writeStop } from "./write-reply.ts";

/** A part whose block is not stopped yet. */
interface GrowingPart {
  readonly part: Part;
  /** What came while another block was open. */
  readonly held: PartDelta[];
  /** Clients take the last signature for the whole one, so it is sent once, at the end. */
  signature: string;
  complete: boolean;
}

export class AnthropicStreamWriter implements StreamWriter {
  readonly contentType = "text/event-stream; charset=utf-8";
  readonly keepAlive = 'event: ping\ndata: {"type": "ping"}\n\n';
  /** By part index, in the order the parts began; the first one's block is open, the others wait for it. */
  readonly #growing = new Map<number, GrowingPart>();
  #blockCount = 0;
  #ending: Ending = { finishReason: FinishReason.UNSPECIFIED, nativeFinishReason: "" };
  #refusal: string | undefined;

  write(events: readonly StreamGenerateResponse[]): string {
    return events.map(({ event }) => this.#writeEvent(event)).join("");
  }

  writeError(error: GatewayError, requestId: string): string {
    return writeErrorEvent(error, requestId);
  }

  #writeEvent(event: StreamGenerateResponse["event"]): string {
    switch (event.case) {
      case "start":
        return messageStart(event.value);
      case "partStart":
        return isFirstCandidate(event.value) ? this.#startPart(event.value.partIndex, event.value.part) : "";
      case "partDelta":
        return isFirstCandidate(event.value) ? this.#growPart(event.value) : "";
      case "partEnd":
        return isFirstCandidate(event.value) ? this.#endPart(event.value.partIndex) : "";
      case "candidateEnd":
        if (isFirstCandidate(event.value)) this.#ending = event.value;
        return "";
      case "end":
        return this.#endMessage(event.value);
      default:
        return "";
    }
  }

  #startPart(index: number, part: Part | undefined): string {
    if (part === undefined) return "";
    const isFirst = this.#growing.size === 0;
    const signature = part.kind.case === "reasoning" ? part.kind.value.signature : "";
    this.#growing.set(index, { part, held: [], signature, complete: false });
    return isFirst ? this.#startBlock(part) : "";
  }

  #growPart(delta: PartDelta): string {
    const growing = this.#growing.get(delta.partIndex);
    if (growing === undefined) return "";
    if (growing === this.#open) return this.#writeDelta(growing, delta);
    growing.held.push(delta);
    return "";
  }

  #endPart(index: number): string {
    const growing = this.#growing.get(index);
    if (growing === undefined) return "";
    growing.complete = true;
    return growing === this.#open ? this.#stopBlocks() : "";
  }

  get #open(): GrowingPart | undefined {
    return this.#growing.values().next().value;
  }

  #startBlock(part: Part): string {
    if (part.kind.case === "refusal") this.#refusal = part.kind.value.text;
    const index = this.#blockCount++;
    const block = writeBlock(part);
    const started = writeEvent("content_block_start", { index, content_block: emptied(part, block) });
    return started + growthOf(part, block).map((delta) => writeDelta(index, delta)).join("");
  }

  #writeDelta(growing: GrowingPart, { delta }: PartDelta): string {
    const index = this.#blockCount - 1;
    const kind = growing.part.kind.case;
    switch (delta.case) {
      case "text":
        if (kind === "refusal") this.#refusal += delta.value;
        return writeDelta(index, kind === "reasoning" ? { type: "thinking_delta", thinking: delta.value } : { type: "text_delta", text: delta.value });
      case "arguments":
        return writeDelta(index, { type: "input_json_delta", partial_json: delta.value });
      case "citation":
        return writeDelta(index, { type: "citations_delta", citation: writeCitation(delta.value) });
      case "signature":
        growing.signature += delta.value;
        return "";
      case "transcript":
        return writeDelta(index, { type: "text_delta", text: delta.value });
      default:
        return "";
    }
  }

  /** Stops the open block, then writes those that waited for it as far as they have grown. */
  #stopBlocks(): string {
    let text = "";
    for (const [index, growing] of this.#growing) {
      if (!growing.complete) break;
      if (endsWithSignature(growing)) text += writeDelta(this.#blockCount - 1, { type: "signature_delta", signature: growing.signature });
      text += writeEvent("content_block_stop", { index: this.#blockCount - 1 });
      this.#growing.delete(index);
      const next = this.#open;
      if (next === undefined) break;
      text += this.#startBlock(next.part) + next.held.map((delta) => this.#writeDelta(next, delta)).join("");
    }
    return text;
  }

  #endMessage(end: StreamEnd): string {
    for (const growing of this.#growing.values()) growing.complete = true;
    const usage = { ...writeUsage(end.usage), service_tier: writeServiceTier(end.serviceTier) };
    return (
      this.#stopBlocks() +
      writeEvent("message_delta", { delta: { ...writeStop(this.#ending, this.#refusal), container: null }, usage }) +
      writeEvent("message_stop", {})
    );
  }
}

/** Thinking always does: there are clients that do not send back what came without, and the vendor may want it. */
function endsWithSignature({ part: { kind }, signature }: GrowingPart): boolean {
  return signature !== "" || (kind.case === "reasoning" && kind.value.redactedData === "");
}

/** A Message has one candidate; see writeReply. */
function isFirstCandidate({ candidateIndex }: { readonly candidateIndex: number }): boolean {
  return candidateIndex === 0;
}

function messageStart(start: StreamStart): string {
  const message = {
    id: start.id === "" ? start.requestId : start.id,
    type: "message",
    role: "assistant",
    model: start.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    usage: { ...writeUsage(start.usage), service_tier: null },
  };
  return writeEvent("message_start", { message });
}

/** The block as it stands at its start: what grows by deltas is empty. */
function emptied(part: Part, block: JsonObject): JsonObject {
  switch (block["type"]) {
    case "text":
      return { type: "text", text: "", citations: null };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "tool_use":
      return part.kind.case === "toolCall" ? toolUseBlock(part.kind.value.id, part.kind.value.name, {}) : block;
    default:
      return block;
  }
}

/** What a part already held when it began, as deltas. */
function growthOf(part: Part, block: JsonObject): JsonObject[] {
  if (part.kind.case === "toolCall") {
    return part.kind.value.arguments === "" ? [] : [{ type: "input_json_delta", partial_json: JSON.stringify(block["input"]) }];
  }
  if (block["type"] === "thinking") return block["thinking"] === "" ? [] : [{ type: "thinking_delta", thinking: block["thinking"] }];
  if (block["type"] !== "text") return [];
  const citations = (block["citations"] as JsonObject[] | null) ?? [];
  const text = block["text"] === "" ? [] : [{ type: "text_delta", text: block["text"] }];
  return [...text, ...citations.map((citation) => ({ type: "citations_delta", citation }))];
}

function writeDelta(index: number, delta: JsonObject): string {
  return writeEvent("content_block_delta", { index, delta });
}

function writeEvent(type: string, members: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}
