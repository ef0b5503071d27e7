/** Owns the way from Cohere's finish reasons to types. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";

/** Source: ChatFinishReason in https://github.com/cohere-ai/cohere-typescript. */
export function readFinishReason(word: string): FinishReason {
  switch (word) {
    case "":
      return FinishReason.UNSPECIFIED;
    case "COMPLETE":
    case "STOP_SEQUENCE":
      return FinishReason.STOP;
    case "MAX_TOKENS":
      return FinishReason.LENGTH;
    case "TOOL_CALL":
      return FinishReason.TOOL_CALLS;
    // Version 1 had this word, and servers of Cohere's models still say it.
    case "ERROR_TOXIC":
      return FinishReason.CONTENT_FILTER;
    default:
      return FinishReason.OTHER;
  }
}
