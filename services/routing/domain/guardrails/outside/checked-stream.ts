/**
 * Owns having a streamed reply judged by others: as a whole, so that the judgement is that of the same reply in one piece. Where a rule
 * may stop or change it, it is held until then; else it goes on as it comes, and is judged before its end.
 */
import { create } from "@bufbuild/protobuf";
import { StreamGenerateResponseSchema, type PartDelta, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { rewriteTexts } from "../texts/look-through.ts";
import { unplacedCitation } from "../texts/citations-and-signatures.ts";
import type { OutsideGuard } from "./outside-guard.ts";
import { rewriteMessage } from "../texts/rewrite-message.ts";
import { brokenSignature } from "../texts/signed-reasoning.ts";

/** The longest reply that is judged, in characters, and bytes of sound. */
const maximumLength = 16 * 1024 * 1024;

/** What each event counts, beside its text: it takes memory, though it say next to nothing. */
const eventLength = 64;

/** What is no event goes by: it was judged before. Throws GUARDRAIL_BLOCKED, or GUARDRAIL_UNAVAILABLE for one that is too long. */
export async function* checkedStream(messages: AsyncIterable<AttemptResponse>, outside: OutsideGuard): AsyncGenerator<AttemptResponse, void> {
  const held: AttemptResponse[] = [];
  let seen: StreamGenerateResponse[] | undefined = [];
  let length = 0;
  for await (const message of messages) {
    if (seen !== undefined) {
      length += lengthOf(message.events);
      seen.push(...message.events);
      if (length > maximumLength) {
        outside.fail("output", new GatewayError("BODY_TOO_LARGE", `The reply is longer than ${maximumLength} characters and bytes of sound, ${eventLength} for each event among them, too long to be judged.`));
        seen = undefined;
        yield* held.splice(0);
      }
    }
    if (seen === undefined || (!outside.holds("output") && message.end === undefined)) yield message;
    else if (message.end === undefined) held.push(message);
    else yield* withEvents([...held.splice(0), message], seen, await checked(seen, outside));
  }
}

async function checked(events: readonly StreamGenerateResponse[], outside: OutsideGuard): Promise<readonly StreamGenerateResponse[]> {
  const whole = inWholeParts(events);
  const judged = await rewriteTexts(
    (rewrite) => whole.map((event) => rewriteMessage(StreamGenerateResponseSchema, event, rewrite)),
    (texts) => outside.check("output", texts),
  );
  return judged.every((event, index) => event === whole[index]) ? events : withFittingCitations(judged, whole);
}

/** Where the words of citations stand in a text that others have changed is not known, and no signature of its vendor holds. */
function withFittingCitations(judged: readonly StreamGenerateResponse[], whole: readonly StreamGenerateResponse[]): readonly StreamGenerateResponse[] {
  const changed = new Set(judged.filter((event, index) => event !== whole[index]).map((event) => pieceOf(event)?.key));
  return judged.map((one) => {
    const { event } = one;
    if (event.case !== "partDelta" || !changed.has(keyOf(event.value, "text"))) return one;
    const { delta } = event.value;
    if (delta.case === "citation") return withDelta(one, event.value, { case: "citation", value: unplacedCitation(delta.value) });
    return delta.case === "signature" ? withDelta(one, event.value, { case: "signature", value: brokenSignature(delta.value) }) : one;
  });
}

function withDelta(event: StreamGenerateResponse, value: PartDelta, delta: PartDelta["delta"]): StreamGenerateResponse {
  return { ...event, event: { case: "partDelta", value: { ...value, delta } } };
}

/** The messages as they came, where their events are the same; else the others come with the first of them. */
function withEvents(messages: readonly AttemptResponse[], events: readonly StreamGenerateResponse[], judged: readonly StreamGenerateResponse[]): readonly AttemptResponse[] {
  return judged === events ? messages : messages.map((message, index) => ({ ...message, events: index === 0 ? [...judged] : [] }));
}

/** Each part's pieces as one, in the place of the first. */
function inWholeParts(events: readonly StreamGenerateResponse[]): StreamGenerateResponse[] {
  const texts = new Map<string, string>();
  for (const { key, delta } of events.map(pieceOf).filter((piece) => piece !== undefined)) texts.set(key, (texts.get(key) ?? "") + delta.value);
  return events.flatMap((event) => {
    const piece = pieceOf(event);
    if (piece === undefined) return [event];
    const value = texts.get(piece.key);
    texts.delete(piece.key);
    return value === undefined ? [] : [create(StreamGenerateResponseSchema, { event: { case: "partDelta", value: { ...piece.place, delta: { case: piece.delta.case, value } } } })];
  });
}

interface Piece {
  readonly key: string;
  readonly place: { readonly candidateIndex: number; readonly partIndex: number };
  readonly delta: Extract<PartDelta["delta"], { case: "text" | "transcript" | "arguments" }>;
}

/** Undefined for what is no piece of a text. */
function pieceOf({ event }: StreamGenerateResponse): Piece | undefined {
  if (event.case !== "partDelta") return undefined;
  const { candidateIndex, partIndex, delta } = event.value;
  if (delta.case !== "text" && delta.case !== "transcript" && delta.case !== "arguments") return undefined;
  const place = { candidateIndex, partIndex };
  return { key: keyOf(place, delta.case), place, delta };
}

function keyOf({ candidateIndex, partIndex }: Piece["place"], kind: Piece["delta"]["case"]): string {
  return `${candidateIndex} ${partIndex} ${kind}`;
}

function lengthOf(events: readonly StreamGenerateResponse[]): number {
  return events.reduce((sum, { event }) => sum + eventLength + (event.case === "partDelta" ? deltaLength(event.value) : 0), 0);
}

function deltaLength({ delta: { value } }: PartDelta): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length : 0;
}
