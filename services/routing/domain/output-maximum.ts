/** Owns holding what is asked of a target to an output maximum, in place of the caller's. */
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";

type Operation = AttemptRequest["operation"];

/** The same operation where there is no maximum, or it is no generation. */
export function withOutputMaximum(operation: Operation, maxOutputTokens: bigint | undefined): Operation {
  if (maxOutputTokens === undefined || (operation.case !== "generate" && operation.case !== "streamGenerate")) return operation;
  return { case: operation.case, value: { ...operation.value, generation: { ...operation.value.generation!, maxOutputTokens } } } as Operation;
}
