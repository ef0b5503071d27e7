/** Owns the reading of one streamed reply, line by line. */
import { StreamReading, type ReplySummary, type StreamEventInit, type StreamReader } from "../../domain/adapter.ts";
import type { StreamedEvent } from "../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../domain/usage/generated-output.ts";
import type { GatewayError } from "#platform/errors.ts";
import { readError } from "../openai/errors.ts";
import { asCount, asObject, asText, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { parseMessage, readFinishReason, readImages, readLogprobs, readTime, readToolCalls, summarize } from "./read-reply.ts";

/** What the model says right now; one at a time. */
interface Voice {
  readonly kind: "text" | "reasoning";
  readonly partIndex: number;
}

export class OllamaStreamReader implements StreamReader {
  readonly textMembers = ["content", "thinking"];
  readonly paddingMembers = ["created_at"];
  #voice: Voice | undefined;
  #events: StreamEventInit[] = [];
  #nextPart = 0;
  #callCount = 0;
  #hasStarted = false;
  summary: ReplySummary = { usage: undefined, finishReason: "", servedModel: "", serviceTier: "" };
  finished = false;
  readonly output = new GeneratedText();

  read({ data }: StreamedEvent): StreamReading {
    if (data !== "" && !this.finished) this.#readLine(parseMessage(data));
    const events = this.#events;
    this.#events = [];
    return new StreamReading(events, true);
  }

  #readLine(line: JsonObject): void {
    if ((line["error"] ?? null) !== null) throw readErrorLine(line);
    this.#start(line);
    const message = asObject(line["message"]);
    this.#say("reasoning", asText(message["thinking"]), {});
    this.#say("text", asText(message["content"]), { logprobs: readLogprobs(line) });
    for (const image of readImages(message)) this.#addWhole(image);
    for (const call of readToolCalls(message, line, this.#callCount)) this.#call(call);
    if (line["done"] === true) this.#end(line);
  }

  #start(line: JsonObject): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.summary = { ...this.summary, servedModel: asText(line["model"]) };
    const createTime = readTime(line);
    this.#emit({ case: "start", value: { model: this.summary.servedModel, ...(createTime === undefined ? {} : { createTime }) } });
  }

  #say(kind: Voice["kind"], text: string, { logprobs = [] }: { readonly logprobs?: ReturnType<typeof readLogprobs> }): void {
    if (text === "" && logprobs.length === 0) return;
    if (this.#voice?.kind !== kind) {
      this.#silence();
      this.#voice = { kind, partIndex: this.#begin({ kind: { case: kind, value: {} } }) };
    }
    this.output.add(text);
    this.#emit({ case: "partDelta", value: { partIndex: this.#voice.partIndex, delta: { case: "text", value: text }, logprobs } });
  }

  /** A call comes whole. */
  #call({ arguments: written, ...call }: ReturnType<typeof readToolCalls>[number]): void {
    this.#silence();
    this.#callCount++;
    this.output.add(written);
    const partIndex = this.#begin({ kind: { case: "toolCall", value: call } });
    this.#emit({ case: "partDelta", value: { partIndex, delta: { case: "arguments", value: written } } });
    this.#emit({ case: "partEnd", value: { partIndex } });
  }

  #addWhole(part: ReturnType<typeof readImages>[number]): void {
    this.#silence();
    this.#emit({ case: "partEnd", value: { partIndex: this.#begin(part) } });
  }

  #end(line: JsonObject): void {
    this.#silence();
    this.finished = true;
    this.summary = summarize(line);
    const { usage, finishReason } = this.summary;
    this.#emit({ case: "candidateEnd", value: { finishReason: readFinishReason(finishReason, this.#callCount > 0), nativeFinishReason: finishReason } });
    this.#emit({ case: "end", value: usage === undefined ? {} : { usage } });
  }

  #silence(): void {
    if (this.#voice !== undefined) this.#emit({ case: "partEnd", value: { partIndex: this.#voice.partIndex } });
    this.#voice = undefined;
  }

  #begin(part: ReturnType<typeof readImages>[number]): number {
    const partIndex = this.#nextPart++;
    this.#emit({ case: "partStart", value: { partIndex, part } });
    return partIndex;
  }

  #emit(event: NonNullable<StreamEventInit["event"]>): void {
    this.#events.push({ event });
  }
}

/** An error in a stream that began well; only some come with a status. */
function readErrorLine(line: JsonObject): GatewayError {
  return readError({ status: asCount(line["status"]) ?? asCount(line["status_code"]) ?? 500, headers: {}, body: Buffer.from(JSON.stringify(line)) });
}
