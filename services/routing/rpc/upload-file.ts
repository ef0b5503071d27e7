/** Owns InferenceService.UploadFile. */
import { create } from "@bufbuild/protobuf";
import { UploadFileResponseSchema, type UploadFileRequest, type UploadFileResponse } from "#gen/weir/inference/v1/file_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { textPart } from "#platform/formats/multipart.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { filePurposes, uploadFile } from "../domain/account/kept-files.ts";
import { fileMessage, filesOf, providerOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export async function uploadFileByRpc({ provider: named, filename, purpose, mediaType, content }: UploadFileRequest, context: CallContext, dependencies: InferenceDependencies): Promise<UploadFileResponse> {
  const files = filesOf(context, dependencies);
  const provider = files.providerFor(providerOf(named));
  const file = { name: "file", filename, mediaType: mediaType || "application/octet-stream", content };
  const parts = files.apiOf(provider).hasPurposes ? [textPart("purpose", checkedPurpose(purpose)), file] : [file];
  return create(UploadFileResponseSchema, { file: fileMessage(await uploadFile(provider, parts, files)) });
}

function checkedPurpose(purpose: string): string {
  if (filePurposes.includes(purpose)) return purpose;
  const description = `must be one of ${filePurposes.join(", ")}`;
  throw new GatewayError("INVALID_REQUEST", `purpose ${description}.`, { fieldViolations: [{ field: "purpose", description }] });
}
