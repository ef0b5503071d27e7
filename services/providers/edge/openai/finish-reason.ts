/** Owns the way from OpenAI's finish reasons to types. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";

/** OpenAI itself says `stop` for a tool that it was told to call; a reply with tool calls always waits for tools. */
export function readFinishReason(word: string, hasToolCalls: boolean): FinishReason {
  switch (word) {
    case "":
      return FinishReason.UNSPECIFIED;
    case "stop":
      return hasToolCalls ? FinishReason.TOOL_CALLS : FinishReason.STOP;
    case "length":
    // Mistral's word where the context was full.
    case "model_length":
      return FinishReason.LENGTH;
    case "tool_calls":
    case "function_call":
      return FinishReason.TOOL_CALLS;
    case "content_filter":
      return FinishReason.CONTENT_FILTER;
    default:
      return FinishReason.OTHER;
  }
}
