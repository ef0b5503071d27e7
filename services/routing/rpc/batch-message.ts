/** Owns a batch as the contract has it, from the vendor's JSON. */
import { create } from "@bufbuild/protobuf";
import { BatchFaultSchema, BatchSchema, BatchStatus, type Batch } from "#gen/weir/inference/v1/batch_pb.ts";
import type { JsonObject } from "../domain/dialect.ts";
import { integerOf, textOf, timeOf } from "./account-json.ts";

/** By the name that the vendor has for it (`Batch.status` of the `openai` package). */
const statuses: ReadonlyMap<unknown, BatchStatus> = new Map([
  ["validating", BatchStatus.VALIDATING],
  ["failed", BatchStatus.FAILED],
  ["in_progress", BatchStatus.IN_PROGRESS],
  ["finalizing", BatchStatus.FINALIZING],
  ["completed", BatchStatus.COMPLETED],
  ["expired", BatchStatus.EXPIRED],
  ["cancelling", BatchStatus.CANCELLING],
  ["cancelled", BatchStatus.CANCELLED],
]);

export function batchMessage(batch: JsonObject): Batch {
  const { id, input_file_id: inputFileId, output_file_id: outputFileId, error_file_id: errorFileId, endpoint, status, metadata } = batch;
  const counts = objectOf(batch["request_counts"]);
  return create(BatchSchema, {
    id: textOf(id),
    inputFileId: textOf(inputFileId),
    endpoint: textOf(endpoint),
    status: statuses.get(status) ?? BatchStatus.UNSPECIFIED,
    outputFileId: textOf(outputFileId),
    errorFileId: textOf(errorFileId),
    ...countOf("totalCalls", counts["total"]),
    ...countOf("completedCalls", counts["completed"]),
    ...countOf("failedCalls", counts["failed"]),
    metadata: Object.fromEntries(Object.entries(objectOf(metadata)).map(([name, value]) => [name, textOf(value)])),
    ...timeOf("createTime", batch["created_at"]),
    ...timeOf("expireTime", batch["expires_at"]),
    ...timeOf("endTime", batch["completed_at"] ?? batch["failed_at"] ?? batch["expired_at"] ?? batch["cancelled_at"]),
    faults: faultsIn(objectOf(batch["errors"])["data"]),
  });
}

/** A member for the message; none where the vendor does not say. */
function countOf(name: string, count: unknown): { readonly [member: string]: bigint } {
  return Number.isSafeInteger(count) ? { [name]: BigInt(count as number) } : {};
}

function faultsIn(list: unknown): Batch["faults"] {
  return (Array.isArray(list) ? list : []).map(objectOf).map(({ line, code, message }) => create(BatchFaultSchema, { line: integerOf(line), code: textOf(code), message: textOf(message) }));
}

function objectOf(value: unknown): JsonObject {
  return typeof value === "object" && value !== null ? (value as JsonObject) : {};
}
