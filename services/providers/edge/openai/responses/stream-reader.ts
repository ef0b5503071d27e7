/** Owns the reading of a streamed Response into types, event by event. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TokenLogprobSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { StreamReading, type ReplySummary, type StreamEventInit, type StreamReader } from "../../../domain/adapter.ts";
import { CandidateEvents, type PartInit } from "../../../domain/translation/candidate-events.ts";
import type { StreamedEvent } from "../../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../../domain/usage/generated-output.ts";
import { asCount, asObject, asObjects, asText, isObject, parseVendorJson, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readSeconds } from "../../../domain/translation/vendor-time.ts";
import { readTokens } from "../chat/logprobs.ts";
import { readAnnotation } from "./citations.ts";
import { readResponsesError } from "./failed-response.ts";
import { pieceBorder, readReasoningItem } from "./reasoning-signature.ts";
import { readCall, readEnding, readForeign, writtenIn } from "./read-reply.ts";
import { summarizeResponse } from "./reply-summary.ts";

/** A reader for one reply. @param origin the vendor, as signatures name it */
export function createResponsesStreamReader(origin: string): StreamReader {
  return new ResponsesEventReader(origin);
}

/** A part that grows; an item has one, a message one for each piece of its content. */
interface Growing {
  readonly partIndex: number;
  length: number;
  citationCount: number;
  /** Of reasoning: which piece of it came last. */
  piece: number;
}

const nothing = new StreamReading([], true);

class ResponsesEventReader implements StreamReader {
  // Each event has a number of its own, so none repeats the one before it.
  readonly textMembers = [];
  readonly paddingMembers = [];
  readonly output = new GeneratedText();
  summary: ReplySummary = { usage: undefined, finishReason: "", servedModel: "", serviceTier: "" };
  finished = false;
  readonly #origin: string;
  readonly #events = new CandidateEvents(0, this.output);
  /** By the item's place in the output and, in a message, the content's place in it. */
  readonly #growing = new Map<string, Growing>();
  readonly #wholeItems = new Set<number>();
  #hasStarted = false;
  #hasCalls = false;

  constructor(origin: string) {
    this.#origin = origin;
  }

  read(event: StreamedEvent): StreamReading {
    // Some servers end the stream as in Chat Completions.
    if (event.data === "" || event.data === "[DONE]" || this.finished) return nothing;
    const members = parseVendorJson(event.data);
    const type = asText(members["type"]) || event.type;
    if (type === "error") throw readResponsesError(isObject(members["error"]) ? members["error"] : members);
    if (isObject(members["response"])) this.#readResponse(type, members["response"]);
    else this.#readGrowth(type, members, asCount(members["output_index"]) ?? 0);
    return new StreamReading(this.#events.take(), true);
  }

  #readResponse(type: string, response: JsonObject): void {
    this.summary = summarizeResponse(response);
    if (type === "response.failed") throw readResponsesError(asObject(response["error"]));
    this.#start(response);
    if (type === "response.completed" || type === "response.incomplete") this.#end(response);
  }

  #start(response: JsonObject): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    const createTime = readSeconds(response["created_at"]);
    this.#events.emit({ case: "start", value: { id: asText(response["id"]), model: this.summary.servedModel, ...(createTime === undefined ? {} : { createTime }) } });
  }

  #readGrowth(type: string, members: JsonObject, index: number): void {
    if (!growths.has(type)) return;
    this.#start({});
    const contentIndex = asCount(members["content_index"]) ?? 0;
    const delta = asText(members["delta"]);
    switch (type) {
      case "response.output_item.added":
        return this.#beginItem(asObject(members["item"]), index);
      case "response.output_text.delta":
        return this.#grow(this.#content("text", index, contentIndex), delta, readTokens(members["logprobs"]));
      case "response.refusal.delta":
        return this.#grow(this.#content("refusal", index, contentIndex), delta);
      case "response.output_text.annotation.added":
        return this.#cite(this.#content("text", index, contentIndex), asObject(members["annotation"]));
      case "response.reasoning_summary_text.delta":
        return this.#reason(index, true, asCount(members["summary_index"]) ?? 0, delta);
      case "response.reasoning_text.delta":
        return this.#reason(index, false, contentIndex, delta);
      case "response.output_item.done":
        return this.#completeItem(asObject(members["item"]), index);
      default:
        return this.#growCall(index, delta);
    }
  }

  #beginItem(item: JsonObject, index: number): void {
    if (isCall(item)) this.#call(item, index);
  }

  #call(item: JsonObject, index: number): Growing {
    this.#hasCalls = true;
    return this.#part(String(index), { kind: { case: "toolCall", value: readCall(item) } });
  }

  #growCall(index: number, delta: string): void {
    const call = this.#growing.get(String(index));
    // Of a call that was not announced, all is said when it is complete.
    if (call === undefined || delta === "") return;
    call.length += delta.length;
    this.#events.grow(call.partIndex, { delta: { case: "arguments", value: delta } }, delta);
  }

  #content(kind: "text" | "refusal", index: number, contentIndex: number): Growing {
    return this.#part(`${index}/${contentIndex}`, { kind: { case: kind, value: {} } });
  }

  #cite(part: Growing, annotation: JsonObject): void {
    part.citationCount += 1;
    this.#events.grow(part.partIndex, { delta: { case: "citation", value: readAnnotation(annotation) } }, "");
  }

  #reason(index: number, isSummary: boolean, piece: number, delta: string): void {
    const part = this.#part(String(index), { kind: { case: "reasoning", value: { isSummary } } });
    const border = part.length > 0 && piece !== part.piece ? pieceBorder : "";
    part.piece = piece;
    this.#grow(part, border + delta);
  }

  #grow(part: Growing, text: string, logprobs: MessageInitShape<typeof TokenLogprobSchema>[] = []): void {
    if (text === "" && logprobs.length === 0) return;
    part.length += text.length;
    this.#events.grow(part.partIndex, { delta: { case: "text", value: text }, logprobs }, text);
  }

  #part(key: string, part: PartInit): Growing {
    const known = this.#growing.get(key);
    if (known !== undefined) return known;
    const growing = { partIndex: this.#events.begin(part), length: 0, citationCount: 0, piece: 0 };
    this.#growing.set(key, growing);
    return growing;
  }

  /** Says what of the item was not said while it grew. */
  #completeItem(item: JsonObject, index: number): void {
    if (this.#wholeItems.has(index)) return;
    this.#wholeItems.add(index);
    if (item["type"] === "message") asObjects(item["content"]).forEach((content, place) => this.#completeContent(content, index, place));
    else if (item["type"] === "reasoning") this.#completeReasoning(item, index);
    else if (isCall(item)) {
      const call = this.#call(item, index);
      if (call.length === 0) this.#growCall(index, writtenIn(item));
      this.#close(String(index));
    } else if (asText(item["type"]) !== "") this.#events.addWhole(readForeign(item));
  }

  #completeContent(content: JsonObject, index: number, place: number): void {
    const kind = content["type"] === "refusal" ? "refusal" : content["type"] === "output_text" ? "text" : undefined;
    const annotations = asObjects(content["annotations"]);
    const key = `${index}/${place}`;
    if (kind === undefined || (asText(content[kind]) === "" && annotations.length === 0 && !this.#growing.has(key))) return;
    const part = this.#content(kind, index, place);
    if (part.length === 0) this.#grow(part, asText(content[kind]), readTokens(content["logprobs"]));
    for (const annotation of annotations.slice(part.citationCount)) this.#cite(part, annotation);
    this.#close(key);
  }

  #completeReasoning(item: JsonObject, index: number): void {
    const { text, isSummary, signature } = readReasoningItem(item, this.#origin);
    if (text === "" && signature === "" && !this.#growing.has(String(index))) return;
    const part = this.#part(String(index), { kind: { case: "reasoning", value: { isSummary } } });
    if (part.length === 0) this.#grow(part, text);
    if (signature !== "") this.#events.grow(part.partIndex, { delta: { case: "signature", value: signature } }, "");
    this.#close(String(index));
  }

  #close(key: string): void {
    const part = this.#growing.get(key);
    if (part !== undefined) this.#events.end(part.partIndex);
    this.#growing.delete(key);
  }

  #end(response: JsonObject): void {
    asObjects(response["output"]).forEach((item, index) => this.#completeItem(item, index));
    this.#events.endAll();
    const { finishReason: word, usage, serviceTier } = this.summary;
    this.#events.emit({ case: "candidateEnd", value: { finishReason: readEnding(word, this.#hasCalls), nativeFinishReason: word } });
    const end: NonNullable<StreamEventInit["event"]> = { case: "end", value: { ...(usage === undefined ? {} : { usage }), ...(serviceTier === "" ? {} : { serviceTier }) } };
    this.#events.emit(end);
    this.finished = true;
  }
}

/** The events by which an output grows; all others say again what these said, or are of OpenAI's own tools, which come as whole items. */
const growths: ReadonlySet<string> = new Set([
  "response.output_item.added",
  "response.output_text.delta",
  "response.refusal.delta",
  "response.output_text.annotation.added",
  "response.reasoning_summary_text.delta",
  "response.reasoning_text.delta",
  "response.function_call_arguments.delta",
  "response.custom_tool_call_input.delta",
  "response.output_item.done",
]);

function isCall({ type }: JsonObject): boolean {
  return type === "function_call" || type === "custom_tool_call";
}
