/** Owns the way from OpenAI's finish reasons to types. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { finishReasonOf, type FinishWords } from "../../../domain/translation/finish-word.ts";

/** OpenAI itself says `stop` for a tool that it was told to call; a reply with tool calls always waits for tools. */
export function readFinishReason(word: string, hasToolCalls: boolean): FinishReason {
  const reason = finishReasonOf(word, meanings);
  return reason === FinishReason.STOP && hasToolCalls ? FinishReason.TOOL_CALLS : reason;
}

const meanings: FinishWords = new Map([
  ["stop", FinishReason.STOP],
  ["length", FinishReason.LENGTH],
  // Mistral's word where the context was full.
  ["model_length", FinishReason.LENGTH],
  ["tool_calls", FinishReason.TOOL_CALLS],
  ["function_call", FinishReason.TOOL_CALLS],
  ["content_filter", FinishReason.CONTENT_FILTER],
]);
