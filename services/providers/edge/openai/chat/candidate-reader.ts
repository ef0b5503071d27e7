/** Owns one candidate of a streamed reply: which of its parts are open, and what each delta adds to them. */
import type { StreamEventInit } from "../../../domain/adapter.ts";
import { CandidateEvents, type PartInit } from "../../../domain/translation/candidate-events.ts";
import type { GeneratedText } from "../../../domain/usage/generated-output.ts";
import { readCitations } from "./citations.ts";
import { readFinishReason } from "./finish-reason.ts";
import { asCount, asObject, asObjects, asText, isObject, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readLogprobs } from "./logprobs.ts";
import { readImageUrl } from "./media-url.ts";
import { argumentsOf, fallbackCallId, idOf } from "./read-reply.ts";
import { readReasoningPieces, readThinkingPart, type ReasoningPiece } from "./reasoning.ts";


/** What the model says right now: of these only one part is open at a time, while tool calls and sound grow beside it. */
interface Voice {
  readonly kind: "text" | "refusal" | "reasoning";
  readonly partIndex: number;
  /** The index of the reasoning piece, or where the text begins in the message's content. */
  readonly place: number;
}

interface ToolCall {
  id: string;
  name: string;
  readonly custom: boolean;
  /** What came before the name did. */
  pending: string;
  /** Undefined until the part has begun. */
  partIndex: number | undefined;
}

export class CandidateReader {
  readonly #index: number;
  readonly #replyId: string;
  readonly #calls: ToolCall[] = [];
  readonly #callByIndex = new Map<number, ToolCall>();
  #voice: Voice | undefined;
  #textLength = 0;
  #audioPart: number | undefined;
  #audioRest = "";
  #stopSequence = "";
  readonly #events: CandidateEvents;
  /** The vendor's word for why the candidate ended; empty until it came. */
  finishWord = "";

  constructor(index: number, replyId: string, output: GeneratedText) {
    this.#index = index;
    this.#events = new CandidateEvents(index, output);
    this.#replyId = replyId;
  }

  /** The events of one choice of a chunk. */
  read(choice: JsonObject): StreamEventInit[] {
    const delta = asObject(choice["delta"]);
    for (const piece of readReasoningPieces(delta)) this.#reason(piece);
    this.#say("text", delta["content"], readLogprobs(choice, "content"));
    this.#say("refusal", delta["refusal"], readLogprobs(choice, "refusal"));
    for (const image of asObjects(delta["images"]).flatMap(readImageUrl)) this.#addWhole(image);
    if (isObject(delta["audio"])) this.#sound(delta["audio"]);
    asObjects(delta["tool_calls"]).forEach((call) => this.#call(call));
    if (isObject(delta["function_call"])) this.#call({ index: 0, function: delta["function_call"] });
    this.#cite(delta);
    this.finishWord = asText(choice["finish_reason"]) || this.finishWord;
    this.#stopSequence = asText(choice["stop_reason"]) || this.#stopSequence;
    return this.#events.take();
  }

  /** The events that complete all parts and the candidate. */
  close(): StreamEventInit[] {
    for (const call of this.#calls) this.#beginCall(call);
    if (this.#audioPart !== undefined) this.#hear(this.#audioPart, this.#audioRest);
    this.#events.endAll();
    this.#events.emit({
      case: "candidateEnd",
      value: {
        candidateIndex: this.#index,
        finishReason: readFinishReason(this.finishWord, this.#calls.length > 0),
        nativeFinishReason: this.finishWord,
        ...(this.#stopSequence === "" ? {} : { stopSequence: this.#stopSequence }),
      },
    });
    return this.#events.take();
  }

  #say(kind: "text" | "refusal", content: unknown, logprobs: ReturnType<typeof readLogprobs>): void {
    if (Array.isArray(content)) return this.#sayParts(asObjects(content));
    const text = asText(content);
    if (text === "" && logprobs.length === 0) return;
    const { partIndex } = this.#speak(kind, this.#textLength, { kind: { case: kind, value: {} } });
    if (kind === "text") this.#textLength += text.length;
    this.#events.grow(partIndex, { delta: { case: "text", value: text }, logprobs }, text);
  }

  /** Some servers stream parts (Mistral). */
  #sayParts(parts: readonly JsonObject[]): void {
    for (const part of parts) {
      const thinking = readThinkingPart(part);
      if (part["type"] === "text") this.#say("text", part["text"], []);
      else if (thinking !== undefined) this.#reason(thinking);
      else this.#addWhole({ kind: { case: "native", value: { dialect: "openai", json: new TextEncoder().encode(JSON.stringify(part)) } } });
    }
  }

  #reason({ index, text, signature, redactedData, isSummary }: ReasoningPiece): void {
    // Encrypted data has no delta: it comes whole, in a part of its own.
    if (redactedData !== "") this.#addWhole({ kind: { case: "reasoning", value: { redactedData } } });
    if (text === "" && signature === "") return;
    const { partIndex } = this.#speak("reasoning", index, { kind: { case: "reasoning", value: { isSummary } } });
    if (text !== "") this.#events.grow(partIndex, { delta: { case: "text", value: text } }, text);
    if (signature !== "") this.#events.grow(partIndex, { delta: { case: "signature", value: signature } }, "");
  }

  #cite(delta: JsonObject): void {
    const citations = readCitations(delta);
    if (citations.length === 0) return;
    const { partIndex, place } = this.#speak("text", this.#textLength, { kind: { case: "text", value: {} } });
    for (const citation of citations) {
      // Indexes count in the whole content, but a citation in its own part.
      const range = { startIndex: shift(citation.startIndex, place), endIndex: shift(citation.endIndex, place) };
      this.#events.grow(partIndex, { delta: { case: "citation", value: { ...citation, ...range } } }, "");
    }
  }

  #sound(audio: JsonObject): void {
    const id = asText(audio["id"]);
    const transcript = asText(audio["transcript"]);
    const data = asText(audio["data"]);
    // The last update holds only when the sound expires.
    if (id === "" && transcript === "" && data === "") return;
    this.#audioPart ??= this.#events.begin({ kind: { case: "audio", value: { id, media: { source: { case: "data", value: new Uint8Array() } } } } });
    if (transcript !== "") this.#events.grow(this.#audioPart, { delta: { case: "transcript", value: transcript } }, transcript);
    // Four characters make three bytes, and nothing promises that a chunk ends on such a border.
    const encoded = this.#audioRest + data;
    const whole = encoded.length - (encoded.length % 4);
    this.#audioRest = encoded.slice(whole);
    this.#hear(this.#audioPart, encoded.slice(0, whole));
  }

  #hear(partIndex: number, encoded: string): void {
    const value = new Uint8Array(Buffer.from(encoded, "base64"));
    if (value.length > 0) this.#events.grow(partIndex, { delta: { case: "audio", value } }, "");
  }

  #call(delta: JsonObject): void {
    const custom = delta["type"] === "custom" || isObject(delta["custom"]);
    const called = asObject(delta[custom ? "custom" : "function"]);
    const call = this.#findCall(delta, custom);
    call.name ||= asText(called["name"]);
    const added = argumentsOf(called[custom ? "input" : "arguments"]);
    if (call.partIndex === undefined) call.pending += added;
    else if (added !== "") this.#events.grow(call.partIndex, { delta: { case: "arguments", value: added } }, added);
    if (call.name !== "") this.#beginCall(call);
  }

  /** By its index; some servers leave that out, or give every call the same one and tell them apart by id alone. */
  #findCall(delta: JsonObject, custom: boolean): ToolCall {
    const id = idOf(delta);
    const index = asCount(delta["index"]);
    const known = index === undefined ? (id === "" ? this.#calls.at(-1) : this.#calls.find((call) => call.id === id)) : this.#callByIndex.get(index);
    if (known !== undefined && (id === "" || known.id === "" || known.id === id)) {
      known.id ||= id;
      return known;
    }
    const call: ToolCall = { id, name: "", custom, pending: "", partIndex: undefined };
    this.#calls.push(call);
    if (index !== undefined) this.#callByIndex.set(index, call);
    return call;
  }

  #beginCall(call: ToolCall): void {
    if (call.partIndex !== undefined) return;
    this.#silence();
    call.id ||= fallbackCallId(this.#replyId, this.#index, this.#calls.indexOf(call));
    call.partIndex = this.#events.begin({ kind: { case: "toolCall", value: { id: call.id, name: call.name, custom: call.custom } } });
    if (call.pending !== "") this.#events.grow(call.partIndex, { delta: { case: "arguments", value: call.pending } }, call.pending);
    call.pending = "";
  }

  #addWhole(part: PartInit): void {
    this.#silence();
    this.#events.addWhole(part);
  }

  /** The open part of this voice, begun if another voice spoke before. */
  #speak(kind: Voice["kind"], place: number, part: PartInit): Voice {
    const voice = this.#voice;
    if (voice?.kind === kind && (kind !== "reasoning" || voice.place === place)) return voice;
    this.#silence();
    this.#voice = { kind, place, partIndex: this.#events.begin(part) };
    return this.#voice;
  }

  #silence(): void {
    if (this.#voice !== undefined) this.#events.end(this.#voice.partIndex);
    this.#voice = undefined;
  }
}

function shift(index: number | undefined, offset: number): number | undefined {
  return index === undefined ? undefined : Math.max(0, index - offset);
}
