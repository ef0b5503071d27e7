/** Owns the writing of a streamed reply as the Responses API's events. */
import { clone } from "@bufbuild/protobuf";
import { PartSchema, type Citation, type Part, type ToolCallPart } from "#gen/weir/inference/v1/content_pb.ts";
import type { PartDelta, StreamEnd, StreamGenerateResponse, StreamStart } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject, StreamWriter } from "../../domain/dialect.ts";
import { writeErrorBody } from "../openai/errors.ts";
import { writeAnnotation } from "./annotations.ts";
import { unknownEnding, type Ending } from "./ending.ts";
import type { ReplyForm } from "./reply-form.ts";
import { identityOf, itemId, type ReplyIdentity } from "./reply-identity.ts";
import { goesAsSummary, idPrefix, isContent, messageItem, outputText, takesFreeText, writeContent, writeInput, writeItem, writeLogprobs } from "./write-items.ts";
import { endedResponse, growingResponse } from "./write-reply.ts";

export function createStreamWriter(form: ReplyForm): StreamWriter {
  return new EventWriter(form);
}

/** The last event repeats the whole reply, so all of it is kept; as much as a reply in one piece may have. */
const maximumKeptLength = 64 * 1024 * 1024;

/** A message whose content still grows. */
interface OpenMessage {
  readonly id: string;
  readonly outputIndex: number;
  readonly content: JsonObject[];
  readonly growing: Set<number>;
}

/** A part that is being written, as far as it is known. */
interface OpenPart {
  readonly part: Part;
  readonly id: string;
  readonly outputIndex: number;
  /** Undefined for an item of its own. */
  readonly message: OpenMessage | undefined;
  readonly contentIndex: number;
  readonly logprobs: TokenLogprob[];
  /** Whether the reasoning's one piece has begun. */
  pieceIsOpen: boolean;
}

class EventWriter implements StreamWriter {
  readonly contentType = "text/event-stream; charset=utf-8";
  readonly keepAlive = ": keep-alive\n\n";
  readonly #form: ReplyForm;
  #identity: ReplyIdentity | undefined;
  #sequenceNumber = 0;
  #keptLength = 0;
  readonly #open = new Map<number, OpenPart>();
  /** By output index. */
  readonly #output: JsonObject[] = [];
  /** The message that the next words belong to. */
  #message: OpenMessage | undefined;
  #ending: Ending = unknownEnding;
  #hasRefusal = false;

  constructor(form: ReplyForm) {
    this.#form = form;
  }

  write(events: readonly StreamGenerateResponse[]): string {
    let text = "";
    for (const { event } of events) text += this.#write(event);
    return text;
  }

  /** The event for which the official clients raise an error, then the failed Response that agents such as Codex look for. */
  writeError(error: GatewayError, requestId: string): string {
    const body = writeErrorBody(error, requestId).error as { readonly message: string; readonly code: string | null };
    const identity = this.#identity ?? identityOf({ id: "", model: "", requestId });
    const response = { ...growingResponse(identity, this.#form), status: "failed", error: { code: body.code ?? (error.httpStatus < 500 ? "invalid_prompt" : "server_error"), message: body.message }, output: this.#output };
    return this.#event("error", { ...body, type: "error" }) + this.#event("response.failed", { response });
  }

  #write(event: StreamGenerateResponse["event"]): string {
    switch (event.case) {
      case "start":
        return this.#start(event.value);
      case "partStart":
        return event.value.candidateIndex === 0 && event.value.part !== undefined ? this.#startPart(event.value.partIndex, event.value.part) : "";
      case "partDelta":
        return event.value.candidateIndex === 0 ? this.#growPart(event.value) : "";
      case "partEnd":
        return event.value.candidateIndex === 0 ? this.#endPart(event.value.partIndex) : "";
      case "candidateEnd":
        if (event.value.candidateIndex === 0) this.#ending = event.value;
        return "";
      case "end":
        return this.#end(event.value);
      default:
        return "";
    }
  }

  #start(start: StreamStart): string {
    this.#identity = identityOf(start);
    const response = growingResponse(this.#identity, this.#form);
    return this.#event("response.created", { response }) + this.#event("response.in_progress", { response });
  }

  #startPart(partIndex: number, first: Part): string {
    const part = clone(PartSchema, first);
    const initial = takeInitial(part);
    const text = isContent(part) ? this.#startContent(partIndex, part) : this.#startItem(partIndex, part);
    return text + initial.map((delta) => this.#grow(this.#open.get(partIndex)!, delta, [])).join("");
  }

  #startContent(partIndex: number, part: Part): string {
    let text = "";
    let message = this.#message;
    if (message === undefined) {
      const outputIndex = this.#output.length;
      message = { id: this.#itemId("msg", outputIndex), outputIndex, content: [], growing: new Set() };
      this.#message = message;
      text += this.#addItem(outputIndex, messageItem(message.id, "in_progress", []));
    }
    const contentIndex = message.content.length;
    message.growing.add(partIndex);
    const open: OpenPart = { part, id: message.id, outputIndex: message.outputIndex, message, contentIndex, logprobs: [], pieceIsOpen: true };
    this.#open.set(partIndex, open);
    if (part.kind.case === "refusal") this.#hasRefusal = true;
    const empty = part.kind.case === "refusal" ? { type: "refusal", refusal: "" } : outputText({ text: "", citations: [] }, []);
    message.content.push(empty);
    return text + this.#event("response.content_part.added", { ...placeOf(open), content_index: contentIndex, part: empty });
  }

  #startItem(partIndex: number, part: Part): string {
    const ended = this.#endMessage();
    const outputIndex = this.#output.length;
    const id = this.#itemId(idPrefix(part, this.#form), outputIndex);
    this.#open.set(partIndex, { part, id, outputIndex, message: undefined, contentIndex: 0, logprobs: [], pieceIsOpen: false });
    const item = writeItem(part, id, "in_progress", this.#form);
    // What a vendor wants back unchanged is whole only at the end.
    return ended + this.#addItem(outputIndex, part.kind.case === "reasoning" ? { id, type: "reasoning", summary: [], encrypted_content: null } : item);
  }

  #addItem(outputIndex: number, item: JsonObject): string {
    this.#output[outputIndex] = item;
    return this.#event("response.output_item.added", { output_index: outputIndex, item });
  }

  #growPart({ partIndex, delta, logprobs }: PartDelta): string {
    const open = this.#open.get(partIndex);
    return open === undefined ? "" : this.#grow(open, delta, logprobs);
  }

  #grow(open: OpenPart, delta: PartDelta["delta"], logprobs: readonly TokenLogprob[]): string {
    switch (delta.case) {
      case "text":
      case "transcript":
        return this.#say(open, delta.value, logprobs);
      case "arguments":
        return this.#argue(open, delta.value);
      case "citation":
        return this.#cite(open, delta.value);
      case "signature":
        if (open.part.kind.case === "reasoning") open.part.kind.value.signature += this.#keep(delta.value);
        return "";
      default:
        // Sound has no event of its own in a message: its transcript is what is said.
        return "";
    }
  }

  #say(open: OpenPart, delta: string, logprobs: readonly TokenLogprob[]): string {
    const { kind } = open.part;
    this.#keep(delta);
    switch (kind.case) {
      case "text":
        kind.value.text += delta;
        open.logprobs.push(...logprobs);
        return this.#textDelta(open, delta, logprobs);
      case "audio":
        kind.value.transcript = (kind.value.transcript ?? "") + delta;
        return this.#textDelta(open, delta, []);
      case "refusal":
        kind.value.text += delta;
        return this.#event("response.refusal.delta", { ...placeOf(open), content_index: open.contentIndex, delta });
      case "reasoning":
        kind.value.text += delta;
        return this.#reasoningDelta(open, delta, goesAsSummary(kind.value, this.#form));
      default:
        return "";
    }
  }

  #textDelta(open: OpenPart, delta: string, logprobs: readonly TokenLogprob[]): string {
    return this.#event("response.output_text.delta", { ...placeOf(open), content_index: open.contentIndex, delta, logprobs: writeLogprobs(logprobs) });
  }

  #reasoningDelta(open: OpenPart, delta: string, isSummary: boolean): string {
    const place = placeOf(open);
    const begun = open.pieceIsOpen;
    open.pieceIsOpen = true;
    if (isSummary) {
      const added = begun ? "" : this.#event("response.reasoning_summary_part.added", { ...place, summary_index: 0, part: { type: "summary_text", text: "" } });
      return added + this.#event("response.reasoning_summary_text.delta", { ...place, summary_index: 0, delta });
    }
    const added = begun ? "" : this.#event("response.content_part.added", { ...place, content_index: 0, part: { type: "reasoning_text", text: "" } });
    return added + this.#event("response.reasoning_text.delta", { ...place, content_index: 0, delta });
  }

  #argue(open: OpenPart, delta: string): string {
    const { kind } = open.part;
    if (kind.case !== "toolCall") return "";
    kind.value.arguments += this.#keep(delta);
    if (kind.value.custom) return this.#event("response.custom_tool_call_input.delta", { ...placeOf(open), delta });
    // Free text in a function's arguments is known when they are whole.
    return takesFreeText(kind.value, this.#form) ? "" : this.#event("response.function_call_arguments.delta", { ...placeOf(open), delta });
  }

  #cite(open: OpenPart, citation: Citation): string {
    const { kind } = open.part;
    if (kind.case !== "text") return "";
    const annotationIndex = kind.value.citations.length;
    kind.value.citations.push(citation);
    const annotation = writeAnnotation(citation, kind.value.text.length);
    return this.#event("response.output_text.annotation.added", { ...placeOf(open), content_index: open.contentIndex, annotation_index: annotationIndex, annotation });
  }

  #endPart(partIndex: number): string {
    const open = this.#open.get(partIndex);
    if (open === undefined) return "";
    this.#open.delete(partIndex);
    return open.message === undefined ? this.#endItem(open) : this.#endContent(open, open.message, partIndex);
  }

  #endContent(open: OpenPart, message: OpenMessage, partIndex: number): string {
    const unsaid = this.#unsaid(open);
    const part = writeContent(open.part, open.logprobs);
    message.content[open.contentIndex] = part;
    message.growing.delete(partIndex);
    const place = { ...placeOf(open), content_index: open.contentIndex };
    const done =
      part["type"] === "refusal"
        ? this.#event("response.refusal.done", { ...place, refusal: part["refusal"] })
        : this.#event("response.output_text.done", { ...place, text: part["text"], logprobs: part["logprobs"] });
    return unsaid + done + this.#event("response.content_part.done", { ...place, part }) + (message === this.#message ? "" : this.#closeMessage(message));
  }

  /** What stands for a part that has no words. */
  #unsaid(open: OpenPart): string {
    const { kind } = open.part;
    if (kind.case === "text" || kind.case === "refusal" || (kind.case === "audio" && (kind.value.transcript ?? "") !== "")) return "";
    const part = writeContent(open.part, []);
    return this.#textDelta(open, part["text"] as string, []);
  }

  #endItem(open: OpenPart): string {
    const item = writeItem(open.part, open.id, "completed", this.#form);
    this.#output[open.outputIndex] = item;
    return this.#endPieces(open) + this.#event("response.output_item.done", { output_index: open.outputIndex, item });
  }

  #endPieces(open: OpenPart): string {
    const { kind } = open.part;
    const place = placeOf(open);
    if (kind.case === "toolCall") return this.#endCall(kind.value, place);
    if (kind.case !== "reasoning" || !open.pieceIsOpen) return "";
    const { text } = kind.value;
    if (goesAsSummary(kind.value, this.#form)) {
      const part = { type: "summary_text", text };
      return this.#event("response.reasoning_summary_text.done", { ...place, summary_index: 0, text }) + this.#event("response.reasoning_summary_part.done", { ...place, summary_index: 0, part });
    }
    const part = { type: "reasoning_text", text };
    return this.#event("response.reasoning_text.done", { ...place, content_index: 0, text }) + this.#event("response.content_part.done", { ...place, content_index: 0, part });
  }

  #endCall(call: ToolCallPart, place: JsonObject): string {
    if (!takesFreeText(call, this.#form)) {
      const { name } = this.#form.tools.find(call.name);
      return this.#event("response.function_call_arguments.done", { ...place, name, arguments: call.arguments });
    }
    const input = writeInput(call);
    const held = call.custom ? "" : this.#event("response.custom_tool_call_input.delta", { ...place, delta: input });
    return held + this.#event("response.custom_tool_call_input.done", { ...place, input });
  }

  /** No further words belong to the message; it is done once those that it has are. */
  #endMessage(): string {
    const message = this.#message;
    this.#message = undefined;
    return message === undefined ? "" : this.#closeMessage(message);
  }

  #closeMessage(message: OpenMessage): string {
    if (message.growing.size > 0) return "";
    const item = messageItem(message.id, "completed", message.content);
    this.#output[message.outputIndex] = item;
    return this.#event("response.output_item.done", { output_index: message.outputIndex, item });
  }

  #end({ usage, serviceTier }: StreamEnd): string {
    const rest = [...this.#open.keys()].map((partIndex) => this.#endPart(partIndex)).join("") + this.#endMessage();
    const identity = this.#identity ?? identityOf({ id: "", model: "", requestId: "" });
    const response = endedResponse({ identity, form: this.#form, output: this.#output, ending: this.#ending, hasRefusal: this.#hasRefusal, usage, serviceTier });
    return rest + this.#event(`response.${String(response["status"])}`, { response });
  }

  #keep(added: string): string {
    this.#keptLength += added.length;
    if (this.#keptLength > maximumKeptLength) throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor's reply is longer than ${maximumKeptLength} characters.`);
    return added;
  }

  #itemId(prefix: string, outputIndex: number): string {
    return itemId(this.#identity ?? { id: "", model: "", created: 0 }, prefix, outputIndex);
  }

  #event(type: string, members: JsonObject): string {
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.#sequenceNumber++, ...members })}\n\n`;
  }
}

function placeOf({ id, outputIndex }: OpenPart): { readonly item_id: string; readonly output_index: number } {
  return { item_id: id, output_index: outputIndex };
}

/** What a part already held when it began, as deltas; the part is empty then. */
function takeInitial({ kind }: Part): PartDelta["delta"][] {
  const taken: PartDelta["delta"][] = [];
  if (kind.case === "text" || kind.case === "refusal" || kind.case === "reasoning") {
    if (kind.value.text !== "") taken.push({ case: "text", value: kind.value.text });
    kind.value.text = "";
  }
  if (kind.case === "text") taken.push(...kind.value.citations.splice(0).map((value) => ({ case: "citation" as const, value })));
  if (kind.case === "toolCall") {
    if (kind.value.arguments !== "") taken.push({ case: "arguments", value: kind.value.arguments });
    kind.value.arguments = "";
  }
  if (kind.case === "audio" && kind.value.transcript !== undefined) {
    if (kind.value.transcript !== "") taken.push({ case: "transcript", value: kind.value.transcript });
    delete kind.value.transcript;
  }
  return taken;
}
