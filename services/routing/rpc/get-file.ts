/** Owns InferenceService.GetFile. */
import { create } from "@bufbuild/protobuf";
import { GetFileResponseSchema, type GetFileRequest, type GetFileResponse } from "#gen/weir/inference/v1/file_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { lookAtFile } from "../domain/account/kept-files.ts";
import { fileMessage, filesOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export async function getFile({ id }: GetFileRequest, context: CallContext, dependencies: InferenceDependencies): Promise<GetFileResponse> {
  return create(GetFileResponseSchema, { file: fileMessage(await lookAtFile(id, "GET", filesOf(context, dependencies))) });
}
