/** Owns InferenceService.ReadFile. */
import { create } from "@bufbuild/protobuf";
import { ReadFileResponseSchema, type ReadFileRequest, type ReadFileResponse } from "#gen/weir/inference/v1/file_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { readFile } from "../domain/account/kept-files.ts";
import { filesOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export async function* readFileByRpc({ id }: ReadFileRequest, context: CallContext, dependencies: InferenceDependencies): AsyncIterable<ReadFileResponse> {
  const { messages } = await readFile(id, filesOf(context, dependencies));
  for await (const { native } of messages) if (native.length > 0) yield create(ReadFileResponseSchema, { content: native });
}
