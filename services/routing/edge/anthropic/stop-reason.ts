/** Owns the way from types' finish reasons to Anthropic's stop reasons. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";

/** How a candidate ended, as a whole reply and a streamed one both say it. */
export interface Ending {
  readonly finishReason: FinishReason;
  /** The same in the vendor's word. */
  readonly nativeFinishReason: string;
  readonly stopSequence?: string | undefined;
}

/** Anthropic's own word if it is one and means the same, else the word nearest to the finish reason. */
export function writeStopReason(ending: Ending): string {
  if (meanings.get(ending.nativeFinishReason) === ending.finishReason) return ending.nativeFinishReason;
  switch (ending.finishReason) {
    case FinishReason.LENGTH:
      return "max_tokens";
    case FinishReason.TOOL_CALLS:
      return "tool_use";
    case FinishReason.CONTENT_FILTER:
    case FinishReason.REFUSAL:
      return "refusal";
    case FinishReason.PAUSE:
      return "pause_turn";
    default:
      return ending.stopSequence === undefined ? "end_turn" : "stop_sequence";
  }
}

const meanings: ReadonlyMap<string, FinishReason> = new Map([
  ["end_turn", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["max_tokens", FinishReason.LENGTH],
  ["model_context_window_exceeded", FinishReason.LENGTH],
  ["tool_use", FinishReason.TOOL_CALLS],
  ["refusal", FinishReason.REFUSAL],
  ["pause_turn", FinishReason.PAUSE],
]);
