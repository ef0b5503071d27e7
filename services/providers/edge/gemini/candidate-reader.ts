/** Owns the reading of one candidate, whole or as it grows: both are lists of parts, those of a stream only shorter. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TokenLogprob, TokenLogprobSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import type { StreamEventInit } from "../../domain/adapter.ts";
import { CandidateEvents, type PartInit } from "../../domain/translation/candidate-events.ts";
import type { GeneratedText } from "../../domain/usage/generated-output.ts";
import { asObject, asObjects, asText, isObject, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { countSearches, readCitations } from "./citations.ts";
import { finishWordOf, readFinishReason } from "./finish-reason.ts";
import { nativeDialect } from "./reply-json.ts";
import { sealSignature, type SignedKind } from "./thought-signatures.ts";

type LogprobInit = Exclude<MessageInitShape<typeof TokenLogprobSchema>, TokenLogprob>;

/** The most text of which citations are placed, in characters. */
const maximumPlacedText = 4 * 1024 * 1024;

/** What the candidate is saying: pieces of one kind that follow each other are one part. */
interface Voice {
  readonly kind: "text" | "thought" | "audio";
  readonly partIndex: number;
  /** Of a text, which of the message's texts it is. */
  readonly ordinal: number;
  /** Of a text, what was said. */
  text: string;
  /** Of a text, its signature: types have a place for it only behind the text. */
  signature: string;
}

export class CandidateReader {
  readonly #index: number;
  readonly #replyId: string;
  readonly #ordinals = { call: 0, text: 0, media: 0 };
  readonly #recited: JsonObject[] = [];
  #grounding: JsonObject = {};
  #voice: Voice | undefined;
  #logprobs: LogprobInit[] = [];
  readonly #events: CandidateEvents;
  /** Gemini's word for why the candidate ended; empty until it came. */
  finishWord = "";

  constructor(index: number, replyId: string, output: GeneratedText) {
    this.#index = index;
    this.#events = new CandidateEvents(index, output);
    this.#replyId = replyId;
  }

  get searches(): number {
    return countSearches(this.#grounding);
  }

  /** The events of what is new. */
  read(candidate: JsonObject): StreamEventInit[] {
    this.#logprobs.push(...readLogprobs(candidate["logprobsResult"]));
    for (const part of asObjects(asObject(candidate["content"])["parts"])) this.#readPart(part);
    // Grounding is told once, or again with more of it.
    if (isObject(candidate["groundingMetadata"])) this.#grounding = { ...this.#grounding, ...candidate["groundingMetadata"] };
    this.#recited.push(...asObjects(asObject(candidate["citationMetadata"])["citations"]));
    this.finishWord = finishWordOf(candidate["finishReason"]) || this.finishWord;
    return this.#events.take();
  }

  /** The events that complete the last part and the candidate. */
  close(): StreamEventInit[] {
    this.#cite();
    if (this.#logprobs.length > 0) this.#say("", "");
    this.#silence();
    const value = { candidateIndex: this.#index, finishReason: readFinishReason(this.finishWord, this.#ordinals.call > 0), nativeFinishReason: this.finishWord };
    this.#events.emit({ case: "candidateEnd", value });
    return this.#events.take();
  }

  #readPart(part: JsonObject): void {
    const signature = asText(part["thoughtSignature"]);
    if (isObject(part["functionCall"])) this.#call(part["functionCall"], signature);
    else if (isObject(part["inlineData"])) this.#show(part["inlineData"], { case: "data", value: bytesOf(part["inlineData"]["data"]) }, signature);
    else if (isObject(part["fileData"])) this.#show(part["fileData"], { case: "url", value: asText(part["fileData"]["fileUri"]) }, signature);
    else if (part["thought"] === true) this.#think(asText(part["text"]), signature);
    else if (typeof part["text"] === "string") this.#say(part["text"], signature);
    // Google's own tools and their results, and kinds that come later.
    else if (Object.keys(part).length > 0) this.#addWhole({ kind: { case: "native", value: { dialect: nativeDialect, json: new Uint8Array(Buffer.from(JSON.stringify(part))) } } });
  }

  #say(text: string, signature: string): void {
    if (text === "" && this.#logprobs.length === 0 && (signature === "" || this.#voice?.kind !== "text")) {
      if (signature !== "") this.#sign("text", this.#ordinals.text, signature);
      return;
    }
    const voice = this.#speak("text", { kind: { case: "text", value: {} } });
    if (voice.text.length + text.length <= maximumPlacedText) voice.text += text;
    voice.signature = signature || voice.signature;
    if (text !== "" || this.#logprobs.length > 0) this.#events.grow(voice.partIndex, { delta: { case: "text", value: text }, logprobs: this.#logprobs }, text);
    this.#logprobs = [];
  }

  /** Gemini shows no thoughts themselves, but summaries of them. */
  #think(text: string, signature: string): void {
    const { partIndex } = this.#speak("thought", { kind: { case: "reasoning", value: { isSummary: true } } });
    if (text !== "") this.#events.grow(partIndex, { delta: { case: "text", value: text } }, text);
    if (signature === "") return;
    this.#events.grow(partIndex, { delta: { case: "signature", value: sealSignature({ kind: "thought", ordinal: 0, signature }) } }, "");
    this.#silence();
  }

  #call({ id, name, args }: JsonObject, signature: string): void {
    const ordinal = this.#ordinals.call++;
    this.#sign("call", ordinal, signature);
    // Older models give their calls no ids, but the tool's result must name one.
    const callId = asText(id) || `call_${this.#replyId}_${this.#index}_${ordinal}`;
    const partIndex = this.#events.begin({ kind: { case: "toolCall", value: { id: callId, name: asText(name) } } });
    const json = JSON.stringify(args ?? {});
    this.#events.grow(partIndex, { delta: { case: "arguments", value: json } }, json);
    this.#events.end(partIndex);
  }

  #show({ mimeType }: JsonObject, source: MediaSource, signature: string): void {
    const mediaType = asText(mimeType);
    // Speech is streamed in pieces.
    if (mediaType.startsWith("audio/") && source.case === "data" && signature === "") return this.#sound(mediaType, source.value);
    this.#sign("media", this.#ordinals.media++, signature);
    const kind = mediaType.startsWith("image/") ? "image" : mediaType.startsWith("audio/") ? "audio" : "file";
    this.#addWhole({ kind: { case: kind, value: { media: { source, mediaType } } } });
  }

  #sound(mediaType: string, piece: Uint8Array<ArrayBuffer>): void {
    const { partIndex } = this.#speak("audio", { kind: { case: "audio", value: { media: { mediaType, source: { case: "data", value: new Uint8Array() } } } } });
    if (piece.length > 0) this.#events.grow(partIndex, { delta: { case: "audio", value: piece } }, "");
  }

  #cite(): void {
    const isSpeaking = this.#voice?.kind === "text";
    const citations = readCitations(this.#grounding, this.#recited, isSpeaking ? this.#voice!.text : "");
    if (citations.length === 0) return;
    const { partIndex } = this.#speak("text", { kind: { case: "text", value: {} } });
    for (const citation of citations) this.#events.grow(partIndex, { delta: { case: "citation", value: citation } }, "");
  }

  /** A signature in a piece of reasoning of its own. */
  #sign(kind: SignedKind, ordinal: number, signature: string): void {
    if (signature !== "") this.#addWhole({ kind: { case: "reasoning", value: { signature: sealSignature({ kind, ordinal, signature }) } } });
    else this.#silence();
  }

  #addWhole(part: PartInit): void {
    this.#silence();
    this.#events.addWhole(part);
  }

  /** The open part of this voice, begun if another voice spoke before. */
  #speak(kind: Voice["kind"], part: PartInit): Voice {
    if (this.#voice?.kind === kind) return this.#voice;
    this.#silence();
    const ordinal = kind === "text" ? this.#ordinals.text++ : kind === "audio" ? this.#ordinals.media++ : 0;
    this.#voice = { kind, partIndex: this.#events.begin(part), ordinal, text: "", signature: "" };
    return this.#voice;
  }

  #silence(): void {
    const voice = this.#voice;
    if (voice === undefined) return;
    this.#voice = undefined;
    this.#events.end(voice.partIndex);
    if (voice.signature !== "") this.#sign("text", voice.ordinal, voice.signature);
  }
}

type MediaSource = { readonly case: "data"; readonly value: Uint8Array<ArrayBuffer> } | { readonly case: "url"; readonly value: string };

function bytesOf(encoded: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(asText(encoded), "base64"));
}

function readLogprobs(result: unknown): LogprobInit[] {
  const { chosenCandidates, topCandidates } = asObject(result);
  const top = asObjects(topCandidates).map(({ candidates }) => asObjects(candidates).map(readToken));
  return asObjects(chosenCandidates).map((token, index) => ({ ...readToken(token), top: top[index] ?? [] }));
}

function readToken({ token, logProbability }: JsonObject): { token: string; logprob: number } {
  return { token: asText(token), logprob: Number(logProbability ?? 0) };
}
