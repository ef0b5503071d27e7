/** Owns InferenceService.CreateBatch. */
import { create } from "@bufbuild/protobuf";
import { CreateBatchResponseSchema, type CreateBatchRequest, type CreateBatchResponse } from "#gen/weir/inference/v1/batch_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { makeBatch } from "../domain/account/kept-batches.ts";
import { batchMessage } from "./batch-message.ts";
import { batchFilesOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

/** The only one that vendors have. */
const completionWindow = "24h";

export async function createBatch({ inputFileId, endpoint, metadata }: CreateBatchRequest, context: CallContext, dependencies: InferenceDependencies): Promise<CreateBatchResponse> {
  const body = Buffer.from(JSON.stringify({ input_file_id: inputFileId, endpoint, completion_window: completionWindow, metadata }));
  const batch = await makeBatch({ inputFileId, endpoint, metadata, body }, dependencies.readBatchInput, batchFilesOf(context, dependencies));
  return create(CreateBatchResponseSchema, { batch: batchMessage(batch) });
}
