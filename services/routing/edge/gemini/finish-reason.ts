/** Owns the way from types' finish reasons to Gemini's: https://ai.google.dev/api/generate-content#FinishReason */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";

/** How a candidate ended, as a whole reply and a streamed one both say it. */
export interface Ending {
  readonly finishReason: FinishReason;
  readonly nativeFinishReason: string;
}

/** The members of a candidate that say why it ended: Gemini's own word if it came from there, else the nearest, with the vendor's where that says more. */
export function writeFinish({ finishReason, nativeFinishReason }: Ending): { finishReason: string; finishMessage?: string } {
  if (ownWords.has(nativeFinishReason)) return { finishReason: nativeFinishReason };
  const word = words.get(finishReason) ?? "OTHER";
  const says = word !== "OTHER" && finishReason !== FinishReason.REFUSAL ? "" : nativeFinishReason;
  return { finishReason: word, ...(says === "" ? {} : { finishMessage: `The model's vendor calls it "${says}".` }) };
}

/** Gemini has no word for waiting for functions: it stops. */
const words: ReadonlyMap<FinishReason, string> = new Map([
  [FinishReason.UNSPECIFIED, "STOP"],
  [FinishReason.STOP, "STOP"],
  [FinishReason.TOOL_CALLS, "STOP"],
  [FinishReason.LENGTH, "MAX_TOKENS"],
  [FinishReason.CONTENT_FILTER, "SAFETY"],
  [FinishReason.REFUSAL, "SAFETY"],
]);

const ownWords: ReadonlySet<string> = new Set([
  "STOP",
  "MAX_TOKENS",
  "SAFETY",
  "RECITATION",
  "LANGUAGE",
  "OTHER",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "MALFORMED_FUNCTION_CALL",
  "IMAGE_SAFETY",
  "UNEXPECTED_TOOL_CALL",
  "TOO_MANY_TOOL_CALLS",
  "IMAGE_PROHIBITED_CONTENT",
  "NO_IMAGE",
  "IMAGE_RECITATION",
  "IMAGE_OTHER",
  "MALFORMED_RESPONSE",
]);
