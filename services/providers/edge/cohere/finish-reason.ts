/** Owns the way from Cohere's finish reasons to types. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { finishReasonOf, type FinishWords } from "../../domain/translation/finish-word.ts";

export function readFinishReason(word: string): FinishReason {
  return finishReasonOf(word, meanings);
}

/** Source: ChatFinishReason in https://github.com/cohere-ai/cohere-typescript. */
const meanings: FinishWords = new Map([
  ["COMPLETE", FinishReason.STOP],
  ["STOP_SEQUENCE", FinishReason.STOP],
  ["MAX_TOKENS", FinishReason.LENGTH],
  ["TOOL_CALL", FinishReason.TOOL_CALLS],
  // Version 1 had this word, and servers of Cohere's models still say it.
  ["ERROR_TOXIC", FinishReason.CONTENT_FILTER],
]);
