/** Owns the citations and signatures of a reply in which guardrails have changed words: citations move with the words they are about, and a signature stays only while it holds. */
import type { Citation, Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { CallGuard } from "../call-guard.ts";
import { pieceLength, type Breathe } from "./look-through.ts";
import { inPart } from "./signed-reasoning.ts";
import type { TextStream } from "./text-stream.ts";

/** The citation, of a text that came through this stream. */
export function movedCitation(citation: Citation, stream: TextStream): Citation {
  const { startIndex, endIndex } = citation;
  return {
    ...citation,
    ...(startIndex === undefined ? {} : { startIndex: stream.movedPlace(startIndex, "start") }),
    ...(endIndex === undefined ? {} : { endIndex: stream.movedPlace(endIndex, "end") }),
  };
}

/** The citation, of a text that others have changed: where is not known. */
export function unplacedCitation({ startIndex: _start, endIndex: _end, ...citation }: Citation): Citation {
  return citation;
}

/** The reply as it was looked through, with its citations where their words are now, and no signature under other words than its vendor's. */
export async function withFittingCitations(looked: GenerateResponse, came: GenerateResponse, guard: CallGuard, breathe: Breathe): Promise<GenerateResponse> {
  if (looked === came) return looked;
  const candidates = [];
  for (const [index, candidate] of looked.candidates.entries()) {
    const parts: Part[] = [];
    for (const [place, part] of (candidate.message?.parts ?? []).entries()) parts.push(await fitting(part, came.candidates[index]!.message!.parts[place]!, guard, breathe));
    candidates.push(candidate.message === undefined ? candidate : { ...candidate, message: { ...candidate.message, parts } });
  }
  return { ...looked, candidates };
}

async function fitting(looked: Part, came: Part, guard: CallGuard, breathe: Breathe): Promise<Part> {
  const [before, after] = [textOf(came), textOf(looked)];
  if (before === after) return looked;
  let isMasked = false;
  const stream = guard.textStream("output", () => (isMasked = true));
  let looksSo = "";
  for (let at = 0; at < before.length; at += pieceLength) {
    looksSo += stream.push(before.slice(at, at + pieceLength));
    await breathe();
  }
  const isAlone = looksSo + stream.end() === after;
  if (looked.kind.case !== "text") return inPart(looked, came, () => isAlone && !isMasked);
  const { value } = looked.kind;
  return { ...looked, kind: { case: "text", value: { ...value, citations: value.citations.map((citation) => (isAlone ? movedCitation(citation, stream) : unplacedCitation(citation))) } } };
}

/** Of what is cited or signed. */
function textOf({ kind }: Part): string {
  if (kind.case === "text") return kind.value.citations.length === 0 ? "" : kind.value.text;
  return kind.case === "reasoning" ? kind.value.text : "";
}
