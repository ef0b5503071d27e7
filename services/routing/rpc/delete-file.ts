/** Owns InferenceService.DeleteFile. */
import { create } from "@bufbuild/protobuf";
import { DeleteFileResponseSchema, type DeleteFileRequest, type DeleteFileResponse } from "#gen/weir/inference/v1/file_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { lookAtFile } from "../domain/account/kept-files.ts";
import { filesOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export async function deleteFile({ id }: DeleteFileRequest, context: CallContext, dependencies: InferenceDependencies): Promise<DeleteFileResponse> {
  await lookAtFile(id, "DELETE", filesOf(context, dependencies));
  return create(DeleteFileResponseSchema);
}
