/** Owns InferenceService.UploadFile. */
import { create } from "@bufbuild/protobuf";
import { UploadFileResponseSchema, type UploadFileRequest, type UploadFileResponse } from "#gen/weir/inference/v1/file_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { textPart } from "#platform/multipart.ts";
import type { CallContext } from "#platform/service-types.ts";
import { filePurposes, uploadFile } from "../domain/account/kept-files.ts";
import { fileMessage, filesOf, providerOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export async function uploadFileByRpc({ provider, filename, purpose, mediaType, content }: UploadFileRequest, context: CallContext, dependencies: InferenceDependencies): Promise<UploadFileResponse> {
  const files = filesOf(context, dependencies);
  const description = `must be one of ${filePurposes.join(", ")}`;
  if (!filePurposes.includes(purpose)) throw new GatewayError("INVALID_REQUEST", `purpose ${description}.`, { fieldViolations: [{ field: "purpose", description }] });
  const file = { name: "file", filename, mediaType: mediaType || "application/octet-stream", content };
  return create(UploadFileResponseSchema, { file: fileMessage(await uploadFile(files.providerFor(providerOf(provider)), [textPart("purpose", purpose), file], files)) });
}
