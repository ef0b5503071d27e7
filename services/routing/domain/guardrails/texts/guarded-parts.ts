/**
 * Owns looking through a reply that streams in types. Texts are let go of as soon as what follows cannot change what is found in them;
 * the arguments of a tool, which nobody can use before they are whole, are held until they are.
 */
import { create } from "@bufbuild/protobuf";
import type { Citation } from "#gen/weir/inference/v1/content_pb.ts";
import type { TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import { PartDeltaSchema, PartStartSchema, StreamGenerateResponseSchema, type PartDelta, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallGuard } from "../call-guard.ts";
import { movedCitation } from "./citations-and-signatures.ts";
import { rewriteJsonText, type Rewrite } from "./rewrite-json.ts";
import { rewriteMessage } from "./rewrite-message.ts";
import { brokenSignature } from "./signed-reasoning.ts";
import type { TextStream } from "./text-stream.ts";

type Event = StreamGenerateResponse["event"];
type Text = { readonly case: "text" | "transcript" | "arguments"; readonly value: string };
interface Place {
  readonly candidateIndex: number;
  readonly partIndex: number;
}

/** The longest arguments that are held, in characters. */
const longestArguments = 4 * 1024 * 1024;

/** What comes beside the words of a text: what is said of those that came before it. */
interface Remark {
  /** How much of the text has to be let go of first: what is held back is told by nothing else either. */
  readonly at: number;
  readonly logprobs: readonly TokenLogprob[];
  readonly citation?: Citation;
}

/** So many wait for a text at most. */
const mostRemarks = 100_000;

/** A part that grows. */
interface Growing {
  readonly place: Place;
  readonly kind: Text["case"];
  readonly stream: TextStream | undefined;
  /** Of a tool's arguments: all that came. */
  held: string;
  remarks: Remark[];
  /** Whether other words stand there than the vendor's, and its signature under them, which comes behind them. */
  isMasked: boolean;
  signature: string;
}

export class GuardedParts {
  readonly #guard: CallGuard;
  readonly #growing = new Map<string, Growing>();

  constructor(guard: CallGuard) {
    this.#guard = guard;
  }

  /** What of the reply can be let go of. Throws GUARDRAIL_BLOCKED. */
  rewrite(events: readonly StreamGenerateResponse[]): StreamGenerateResponse[] {
    return events.flatMap(({ event }) => [...this.#rewriteEvent(event)].map((one) => create(StreamGenerateResponseSchema, { event: one })));
  }

  *#rewriteEvent(event: Event): Iterable<Event> {
    if (event.case === "partDelta") yield* this.#grow(event.value);
    else if (event.case === "partStart") yield { case: "partStart", value: rewriteMessage(PartStartSchema, event.value, (text) => this.#whole(text)) };
    else {
      const { value } = event;
      for (const growing of this.#growing.values()) if (event.case === "end" || isWithin(growing.place, value as Partial<Place> | undefined)) yield* this.#finish(growing);
      yield event;
    }
  }

  *#grow(delta: PartDelta): Iterable<Event> {
    const { delta: added } = delta;
    if (added.case === "text" || added.case === "transcript" || added.case === "arguments") {
      const growing = this.#growingAt(delta, added.case);
      if (growing.stream === undefined) this.#hold(growing, added.value);
      else yield* this.#say(growing, growing.stream, added.value, delta.logprobs);
      return;
    }
    const looked = rewriteMessage(PartDeltaSchema, delta, (text) => this.#whole(text));
    if (looked.delta.case === "signature") this.#sign(this.#growingAt(delta, "text"), looked.delta.value);
    else if (looked.delta.case === "citation") yield* this.#cite(this.#growingAt(delta, "text"), looked.delta.value);
    else yield { case: "partDelta", value: looked };
  }

  *#say(growing: Growing, stream: TextStream, added: string, logprobs: readonly TokenLogprob[]): Iterable<Event> {
    const value = stream.push(added);
    if (logprobs.length > 0 && !this.#guard.changes("output")) this.#remark(growing, { at: stream.length, logprobs });
    yield* this.#release(growing, stream, value, stream.releasedLength);
  }

  *#cite(growing: Growing, citation: Citation): Iterable<Event> {
    const stream = growing.stream!;
    this.#remark(growing, { at: Math.max(stream.length, citation.endIndex ?? 0), logprobs: [], citation });
    yield* this.#release(growing, stream, "", stream.releasedLength);
  }

  #sign(growing: Growing, signature: string): void {
    growing.signature += signature;
    if (growing.signature.length > longestArguments) throw new GatewayError("GUARDRAIL_UNAVAILABLE", `A signature of the reply is longer than ${longestArguments} characters, too long for guardrails to hold. Ask another model.`);
  }

  #remark({ remarks }: Growing, remark: Remark): void {
    if (remarks.length === mostRemarks) throw new GatewayError("GUARDRAIL_UNAVAILABLE", `A text of the reply has more than ${mostRemarks} citations and probabilities that wait for its words, too many for guardrails to hold. Ask for less.`);
    remarks.push(remark);
  }

  /** A piece of a text, with what is said of the text up to there. */
  *#release(growing: Growing, stream: TextStream, value: string, upTo: number): Iterable<Event> {
    const { place, remarks } = growing;
    if (remarks.length === 0) {
      if (value !== "") yield this.#deltaOf(growing, value);
      return;
    }
    growing.remarks = remarks.filter(({ at }) => at > upTo);
    const told = remarks.filter(({ at }) => at <= upTo);
    const logprobs = told.flatMap((remark) => remark.logprobs);
    if (value !== "" || logprobs.length > 0) yield this.#deltaOf(growing, value, logprobs);
    for (const { citation } of told) if (citation !== undefined) yield { case: "partDelta", value: create(PartDeltaSchema, { ...place, delta: { case: "citation", value: movedCitation(citation, stream) } }) };
  }

  #growingAt({ candidateIndex, partIndex }: Place, kind: Text["case"]): Growing {
    const key = keyOf({ candidateIndex, partIndex }, kind);
    let growing = this.#growing.get(key);
    if (growing === undefined) {
      const stream = kind === "arguments" ? undefined : this.#guard.textStream("output", () => (made.isMasked = true));
      const made: Growing = { place: { candidateIndex, partIndex }, kind, stream, held: "", remarks: [], isMasked: false, signature: "" };
      growing = made;
      this.#growing.set(key, made);
    }
    return growing;
  }

  #hold(growing: Growing, value: string): void {
    growing.held += value;
    if (growing.held.length <= longestArguments) return;
    throw new GatewayError("GUARDRAIL_UNAVAILABLE", `The arguments of a tool are longer than ${longestArguments} characters, too long for guardrails to look through. Ask for less.`);
  }

  *#finish(growing: Growing): Iterable<Event> {
    const { place, kind, stream, held } = growing;
    this.#growing.delete(keyOf(place, kind));
    if (stream !== undefined) {
      yield* this.#release(growing, stream, stream.end(), Infinity);
      const { isMasked, signature } = growing;
      if (signature !== "") yield { case: "partDelta", value: create(PartDeltaSchema, { ...place, delta: { case: "signature", value: isMasked ? brokenSignature(signature) : signature } }) };
    } else if (held !== "") yield this.#deltaOf(growing, rewriteJsonText(held, (text) => this.#whole(text)));
  }

  #deltaOf({ place, kind }: Growing, value: string, logprobs: readonly TokenLogprob[] = []): Event {
    return { case: "partDelta", value: create(PartDeltaSchema, { ...place, delta: { case: kind, value }, logprobs: [...logprobs] }) };
  }

  readonly #whole: Rewrite = (text) => {
    const stream = this.#guard.textStream("output");
    return stream.push(text) + stream.end();
  };
}

function keyOf({ candidateIndex, partIndex }: Place, kind: Text["case"]): string {
  return `${candidateIndex} ${partIndex} ${kind}`;
}

/** A part's end ends that part, a candidate's all of its parts. */
function isWithin(place: Place, { candidateIndex, partIndex }: Partial<Place> = {}): boolean {
  return place.candidateIndex === candidateIndex && (partIndex === undefined || place.partIndex === partIndex);
}
