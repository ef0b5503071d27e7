/** Owns InferenceService.CancelBatch. */
import { create } from "@bufbuild/protobuf";
import { CancelBatchResponseSchema, type CancelBatchRequest, type CancelBatchResponse } from "#gen/weir/inference/v1/batch_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { cancelBatch } from "../domain/account/kept-batches.ts";
import { batchMessage } from "./batch-message.ts";
import { batchFilesOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export async function cancelBatchByRpc({ id }: CancelBatchRequest, context: CallContext, dependencies: InferenceDependencies): Promise<CancelBatchResponse> {
  return create(CancelBatchResponseSchema, { batch: batchMessage(await cancelBatch(id, batchFilesOf(context, dependencies))) });
}
