/** Owns InferenceService.GetBatch. */
import { create } from "@bufbuild/protobuf";
import { GetBatchResponseSchema, type GetBatchRequest, type GetBatchResponse } from "#gen/weir/inference/v1/batch_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { lookAtBatch } from "../domain/account/kept-batches.ts";
import { batchMessage } from "./batch-message.ts";
import { batchFilesOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export async function getBatch({ id }: GetBatchRequest, context: CallContext, dependencies: InferenceDependencies): Promise<GetBatchResponse> {
  return create(GetBatchResponseSchema, { batch: batchMessage(await lookAtBatch(id, batchFilesOf(context, dependencies))) });
}
