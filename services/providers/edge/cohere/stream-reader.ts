/** Owns the reading of one streamed reply, event by event. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Part, PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { PartDelta, PartDeltaSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { StreamReading, type ReplySummary, type StreamEventInit, type StreamReader } from "../../domain/adapter.ts";
import type { StreamedEvent } from "../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../domain/usage/generated-output.ts";
import { asCount, asObject, asText, isObject, parseVendorJson, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { citedPieceOf, readCitation } from "./citations.ts";
import { readFinishReason } from "./finish-reason.ts";
import { readLogprob } from "./logprobs.ts";
import { argumentsOf } from "./read-reply.ts";
import { readUsage } from "./usage.ts";

type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;
type DeltaInit = Exclude<MessageInitShape<typeof PartDeltaSchema>, PartDelta>;

/** The part that grows right now; Cohere ends one before it begins the next, but cites a text also later. */
interface OpenPart {
  readonly partIndex: number;
  readonly kind: "text" | "plan" | "reasoning" | "toolCall";
  /** Of which of the content's blocks, or which of the calls. */
  readonly place: number;
  /** What it holds so far; of a call what is not passed on yet, because it may turn out to be `null`. */
  text: string;
  hasDelta: boolean;
}

/** Cohere's events stand in `type` of their JSON. Source: V2ChatStreamResponse in https://github.com/cohere-ai/cohere-typescript. */
export class CohereStreamReader implements StreamReader {
  readonly textMembers = ["text", "thinking", "tool_plan", "arguments"];
  readonly paddingMembers = [];
  #open: OpenPart | undefined;
  #events: StreamEventInit[] = [];
  #nextPart = 0;
  #pendingCitations: JsonObject[] = [];
  #usage: Usage | undefined;
  #finishWord = "";
  #hasStarted = false;
  finished = false;
  readonly output = new GeneratedText();

  get summary(): ReplySummary {
    return { usage: this.#usage, finishReason: this.#finishWord, servedModel: "", serviceTier: "" };
  }

  read({ data }: StreamedEvent): StreamReading {
    // Some servers of Cohere's models close as OpenAI does.
    if (data !== "" && data !== "[DONE]" && !this.finished) this.#readEvent(parseVendorJson(data));
    const events = this.#events;
    this.#events = [];
    return new StreamReading(events, true);
  }

  #readEvent(event: JsonObject): void {
    const message = asObject(asObject(event["delta"])["message"]);
    this.#start(event);
    switch (event["type"]) {
      case "content-start":
        return this.#startContent(event, asObject(message["content"]));
      case "content-delta":
        return this.#growContent(event, asObject(message["content"]));
      case "tool-plan-delta":
        return this.#growText(this.#partFor("plan", 0), asText(message["tool_plan"]), {});
      case "tool-call-start":
        return this.#startCall(event, asObject(message["tool_calls"]));
      case "tool-call-delta":
        return this.#growCall(asText(asObject(asObject(message["tool_calls"])["function"])["arguments"]));
      case "content-end":
      case "tool-call-end":
        // A text stays open for its citations until something else begins.
        return this.#open?.kind === "text" ? undefined : this.#close();
      case "citation-start":
        return this.#cite(asObject(message["citations"]), asCount(event["index"]));
      case "message-end":
        return this.#end(asObject(event["delta"]));
      default:
        // `message-start` has said all, `citation-end` and `debug` say nothing; and there may be more kinds some day.
        return undefined;
    }
  }

  #start(event: JsonObject): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#emit({ case: "start", value: { id: asText(event["id"]) } });
  }

  #startContent(event: JsonObject, content: JsonObject): void {
    const kind = content["type"] === "thinking" ? "reasoning" : "text";
    this.#begin(kind, asCount(event["index"]) ?? 0, { kind: { case: kind, value: {} } });
    this.#growContent(event, content);
  }

  #growContent(event: JsonObject, content: JsonObject): void {
    const thinking = asText(content["thinking"]);
    const text = asText(content["text"]);
    const { logprobs } = event;
    const place = asCount(event["index"]) ?? 0;
    if (thinking !== "") this.#growText(this.#partFor("reasoning", place), thinking, {});
    if (text !== "" || isObject(logprobs)) this.#growText(this.#partFor("text", place), text, isObject(logprobs) ? { logprobs: [readLogprob(logprobs)] } : {});
  }

  #startCall(event: JsonObject, call: JsonObject): void {
    const called = asObject(call["function"]);
    this.#begin("toolCall", asCount(event["index"]) ?? 0, { kind: { case: "toolCall", value: { id: asText(call["id"]), name: asText(called["name"]) } } });
    this.#growCall(asText(called["arguments"]));
  }

  #growCall(written: string): void {
    const open = this.#open;
    if (open?.kind !== "toolCall") throw new GatewayError("UPSTREAM_PROTOCOL", "Cohere's stream cannot be read: a tool call went on that had not begun.");
    open.text += written;
    if (open.hasDelta || !"null".startsWith(open.text)) this.#passOnArguments(open);
  }

  #passOnArguments(open: OpenPart): void {
    if (open.text === "") return;
    this.output.add(open.text);
    this.#delta(open, { delta: { case: "arguments", value: open.text } });
    open.text = "";
  }

  #growText(open: OpenPart, text: string, logprobs: Pick<DeltaInit, "logprobs">): void {
    open.text += text;
    this.output.add(text);
    if (text !== "" || logprobs.logprobs !== undefined) this.#delta(open, { delta: { case: "text", value: text }, ...logprobs });
  }

  #cite(citation: JsonObject, index: number | undefined): void {
    const piece = citedPieceOf(citation);
    const open = this.#open;
    if (open === undefined || (open.kind !== "text" && open.kind !== "plan")) {
      this.#pendingCitations.push(citation);
      return;
    }
    const place = asCount(citation["content_index"]) ?? (index === open.place ? index : open.place);
    const speaksOfIt = piece === open.kind && (piece === "plan" || place === open.place);
    this.#delta(open, { delta: { case: "citation", value: readCitation(citation, speaksOfIt ? open.text : undefined) } });
  }

  #end(delta: JsonObject): void {
    this.#finishWord = asText(delta["finish_reason"]);
    this.#usage = readUsage(delta["usage"]);
    if (asText(delta["error"]) !== "" || this.#finishWord === "ERROR") {
      throw new GatewayError("UPSTREAM_UNAVAILABLE", "Cohere failed in the middle of its reply; try again, or use another target.", { metadata: { type: this.#finishWord } });
    }
    if (this.#pendingCitations.length > 0) this.#partFor("text", this.#nextPart);
    this.#close();
    this.finished = true;
    this.#emit({ case: "candidateEnd", value: { finishReason: readFinishReason(this.#finishWord), nativeFinishReason: this.#finishWord } });
    this.#emit({ case: "end", value: this.#usage === undefined ? {} : { usage: this.#usage } });
  }

  /** The open part, if it is that one; else that one, begun. */
  #partFor(kind: "text" | "plan" | "reasoning", place: number): OpenPart {
    const open = this.#open;
    if (open?.kind === kind && open.place === place) return open;
    return this.#begin(kind, place, { kind: { case: kind === "reasoning" ? "reasoning" : "text", value: {} } });
  }

  #begin(kind: OpenPart["kind"], place: number, part: PartInit): OpenPart {
    this.#close();
    const open: OpenPart = { partIndex: this.#nextPart++, kind, place, text: "", hasDelta: false };
    this.#open = open;
    this.#emit({ case: "partStart", value: { partIndex: open.partIndex, part } });
    if (kind === "text" || kind === "plan") {
      for (const citation of this.#pendingCitations) this.#delta(open, { delta: { case: "citation", value: readCitation(citation, undefined) } });
      this.#pendingCitations = [];
    }
    return open;
  }

  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    if (open.kind === "toolCall" && (open.text !== "" || !open.hasDelta)) {
      open.text = argumentsOf(open.text);
      this.#passOnArguments(open);
    }
    this.#open = undefined;
    this.#emit({ case: "partEnd", value: { partIndex: open.partIndex } });
  }

  #delta(open: OpenPart, delta: DeltaInit): void {
    open.hasDelta = true;
    this.#emit({ case: "partDelta", value: { partIndex: open.partIndex, ...delta } });
  }

  #emit(event: NonNullable<StreamEventInit["event"]>): void {
    this.#events.push({ event });
  }
}
