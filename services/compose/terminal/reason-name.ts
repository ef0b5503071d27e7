/** Owns the names of reasons, as people read and write them. */
import { ErrorReasonSchema, type ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";

/** Such as BUDGET_EXCEEDED. */
export function reasonName(reason: ErrorReason): string {
  return ErrorReasonSchema.value[reason]?.localName ?? `reason ${reason}`;
}
