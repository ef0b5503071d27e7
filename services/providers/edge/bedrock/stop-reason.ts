/** Owns the way from Bedrock's stop reasons to types' finish reasons. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { finishReasonOf, type FinishWords } from "../../domain/translation/finish-word.ts";

export function readStopReason(stopReason: string): FinishReason {
  return finishReasonOf(stopReason, meanings);
}

/**
 * Source: StopReason in https://github.com/aws/aws-sdk-js-v3/blob/main/clients/client-bedrock-runtime/src/models/enums.ts;
 * the model's malformed_model_output and malformed_tool_use have no counterpart in types.
 */
const meanings: FinishWords = new Map([
  ["end_turn", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["max_tokens", FinishReason.LENGTH],
  ["model_context_window_exceeded", FinishReason.LENGTH],
  ["tool_use", FinishReason.TOOL_CALLS],
  ["guardrail_intervened", FinishReason.CONTENT_FILTER],
  ["content_filtered", FinishReason.CONTENT_FILTER],
]);
