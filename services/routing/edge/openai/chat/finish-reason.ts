/** Owns the way from types' finish reasons to OpenAI's words. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";

type OpenaiFinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "function_call";

/**
 * The members of a choice that say why it ended. Where OpenAI's word says less than the vendor's,
 * the vendor's stands beside it as `native_finish_reason`, as OpenRouter writes it; a stop sequence stands in `stop_reason`, as vLLM writes it.
 */
export function writeFinish(
  end: { readonly finishReason: FinishReason; readonly nativeFinishReason: string; readonly stopSequence?: string | undefined },
  legacyFunctions: boolean,
): { finish_reason: OpenaiFinishReason; native_finish_reason?: string; stop_reason?: string } {
  const finishReason = finishReasons.get(end.finishReason) ?? "stop";
  return {
    finish_reason: legacyFunctions && finishReason === "tool_calls" ? "function_call" : finishReason,
    ...(isExact(end.finishReason) || end.nativeFinishReason === "" ? {} : { native_finish_reason: end.nativeFinishReason }),
    ...(end.stopSequence === undefined ? {} : { stop_reason: end.stopSequence }),
  };
}

const finishReasons: ReadonlyMap<FinishReason, OpenaiFinishReason> = new Map<FinishReason, OpenaiFinishReason>([
  [FinishReason.STOP, "stop"],
  [FinishReason.LENGTH, "length"],
  [FinishReason.TOOL_CALLS, "tool_calls"],
  [FinishReason.CONTENT_FILTER, "content_filter"],
  [FinishReason.REFUSAL, "content_filter"],
]);

function isExact(reason: FinishReason): boolean {
  return reason === FinishReason.STOP || reason === FinishReason.LENGTH || reason === FinishReason.TOOL_CALLS || reason === FinishReason.CONTENT_FILTER;
}
