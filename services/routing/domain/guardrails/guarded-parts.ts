/**
 * Owns looking through a reply that streams in types. Texts are let go of as soon as what follows cannot change what is found in them;
 * the arguments of a tool, which nobody can use before they are whole, are held until they are.
 */
import { create } from "@bufbuild/protobuf";
import { PartDeltaSchema, PartStartSchema, StreamGenerateResponseSchema, type PartDelta, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallGuard } from "./call-guard.ts";
import { rewriteJsonText, type Rewrite } from "./rewrite-json.ts";
import { rewriteMessage } from "./rewrite-message.ts";
import type { TextStream } from "./text-stream.ts";

type Event = StreamGenerateResponse["event"];
type Text = { readonly case: "text" | "transcript" | "arguments"; readonly value: string };
interface Place {
  readonly candidateIndex: number;
  readonly partIndex: number;
}

/** The longest arguments that are held, in characters. */
const longestArguments = 4 * 1024 * 1024;

/** A part that grows. */
interface Growing {
  readonly place: Place;
  readonly kind: Text["case"];
  readonly stream: TextStream | undefined;
  /** Of a tool's arguments: all that came. */
  held: string;
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
      const value = growing.stream === undefined ? this.#hold(growing, added.value) : growing.stream.push(added.value);
      if (value !== "") yield this.#deltaOf(growing, value);
    } else {
      yield { case: "partDelta", value: rewriteMessage(PartDeltaSchema, delta, (text) => this.#whole(text)) };
    }
  }

  #growingAt({ candidateIndex, partIndex }: Place, kind: Text["case"]): Growing {
    const key = `${candidateIndex} ${partIndex} ${kind}`;
    let growing = this.#growing.get(key);
    if (growing === undefined) {
      growing = { place: { candidateIndex, partIndex }, kind, stream: kind === "arguments" ? undefined : this.#guard.textStream("output"), held: "" };
      this.#growing.set(key, growing);
    }
    return growing;
  }

  #hold(growing: Growing, value: string): "" {
    growing.held += value;
    if (growing.held.length <= longestArguments) return "";
    throw new GatewayError("GUARDRAIL_UNAVAILABLE", `The arguments of a tool are longer than ${longestArguments} characters, too long for guardrails to look through. Ask for less.`);
  }

  *#finish(growing: Growing): Iterable<Event> {
    const { place, kind } = growing;
    this.#growing.delete(`${place.candidateIndex} ${place.partIndex} ${kind}`);
    const rest = growing.stream === undefined ? rewriteJsonText(growing.held, (text) => this.#whole(text)) : growing.stream.end();
    if (rest !== "") yield this.#deltaOf(growing, rest);
  }

  /** Without the probabilities of tokens, which would spell out what was masked. */
  #deltaOf({ place, kind }: Growing, value: string): Event {
    return { case: "partDelta", value: create(PartDeltaSchema, { ...place, delta: { case: kind, value } }) };
  }

  readonly #whole: Rewrite = (text) => {
    const stream = this.#guard.textStream("output");
    return stream.push(text) + stream.end();
  };
}

/** A part's end ends that part, a candidate's all of its parts. */
function isWithin(place: Place, { candidateIndex, partIndex }: Partial<Place> = {}): boolean {
  return place.candidateIndex === candidateIndex && (partIndex === undefined || place.partIndex === partIndex);
}
