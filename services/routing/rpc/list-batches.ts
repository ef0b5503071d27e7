/** Owns InferenceService.ListBatches. */
import { create } from "@bufbuild/protobuf";
import { ListBatchesResponseSchema, type ListBatchesRequest, type ListBatchesResponse } from "#gen/weir/inference/v1/batch_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { listBatches, usualBatchPage } from "../domain/account/kept-batches.ts";
import { batchMessage } from "./batch-message.ts";
import { batchFilesOf, providerOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

/** A page's token is the id of its last batch. */
export async function listBatchesPage({ provider, pageSize, pageToken }: ListBatchesRequest, context: CallContext, dependencies: InferenceDependencies): Promise<ListBatchesResponse> {
  const files = batchFilesOf(context, dependencies);
  const { data, hasMore } = await listBatches(files.providerFor(providerOf(provider)), { limit: pageSize || usualBatchPage, after: pageToken === "" ? undefined : pageToken }, files);
  const batches = data.map(batchMessage);
  return create(ListBatchesResponseSchema, { batches, nextPageToken: hasMore ? batches.at(-1)!.id : "" });
}
