/** Owns what a Response says of how it ended. */
import { FinishReason, type Candidate } from "#gen/weir/inference/v1/generation_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";

export type Ending = Pick<Candidate, "finishReason" | "nativeFinishReason">;

export const unknownEnding: Ending = { finishReason: FinishReason.UNSPECIFIED, nativeFinishReason: "" };

/**
 * The members of a Response that has ended. A model that declined in words of its own has completed its reply.
 * Where OpenAI's words say less than the vendor's, the vendor's stands beside them as `native_finish_reason`, as in the dialect `openai`.
 */
export function writeEnding({ finishReason, nativeFinishReason }: Ending, hasRefusal: boolean): JsonObject & { readonly status: "completed" | "incomplete" } {
  const reason = incompleteReason(finishReason, hasRefusal);
  const native = isExact(finishReason) || nativeFinishReason === "" ? {} : { native_finish_reason: nativeFinishReason };
  if (reason === undefined) return { status: "completed", incomplete_details: null, ...native };
  return { status: "incomplete", incomplete_details: { reason }, ...native };
}

function incompleteReason(finishReason: FinishReason, hasRefusal: boolean): string | undefined {
  switch (finishReason) {
    case FinishReason.LENGTH:
      return "max_output_tokens";
    case FinishReason.CONTENT_FILTER:
      return "content_filter";
    case FinishReason.REFUSAL:
      return hasRefusal ? undefined : "content_filter";
    // OpenAI never pauses, so it has no word for it.
    case FinishReason.PAUSE:
      return "pause";
    default:
      return undefined;
  }
}

function isExact(reason: FinishReason): boolean {
  return reason === FinishReason.STOP || reason === FinishReason.LENGTH || reason === FinishReason.TOOL_CALLS || reason === FinishReason.CONTENT_FILTER;
}
