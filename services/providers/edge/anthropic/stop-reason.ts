/** Owns the way from Anthropic's stop reasons to types' finish reasons. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { finishReasonOf, type FinishWords } from "../../domain/translation/finish-word.ts";

export function readStopReason(stopReason: string): FinishReason {
  return finishReasonOf(stopReason, meanings);
}

/** Source: StopReason and BetaStopReason in @anthropic-ai/sdk. */
const meanings: FinishWords = new Map([
  ["end_turn", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["max_tokens", FinishReason.LENGTH],
  ["model_context_window_exceeded", FinishReason.LENGTH],
  ["tool_use", FinishReason.TOOL_CALLS],
  ["refusal", FinishReason.REFUSAL],
  ["pause_turn", FinishReason.PAUSE],
  // The context was summarized on the caller's request; sent back, the turn goes on.
  ["compaction", FinishReason.PAUSE],
]);
