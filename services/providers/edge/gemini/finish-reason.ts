/** Owns the way from Gemini's finish reasons to types. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { finishReasonOf, type FinishWords } from "../../domain/translation/finish-word.ts";

/** Gemini says `STOP` also when it waits for tools. */
export function readFinishReason(word: string, hasToolCalls: boolean): FinishReason {
  const reason = finishReasonOf(word, meanings);
  return reason === FinishReason.STOP && hasToolCalls ? FinishReason.TOOL_CALLS : reason;
}

/** Empty while the candidate goes on. */
export function finishWordOf(word: unknown): string {
  return typeof word === "string" && word !== "FINISH_REASON_UNSPECIFIED" ? word : "";
}

/** Source: FinishReason in @google/genai. */
const meanings: FinishWords = new Map([
  ["STOP", FinishReason.STOP],
  ["MAX_TOKENS", FinishReason.LENGTH],
  // There is more to come, but only for who sends the reply's continuation token back, which types have no place for.
  ["CONTINUATION", FinishReason.LENGTH],
  ...[
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
  ].map((word) => [word, FinishReason.CONTENT_FILTER] as const),
]);
