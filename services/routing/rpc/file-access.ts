/** Owns what the RPCs of InferenceService about files have in common: the caller's files, and a file as the contract has it. */
import { create } from "@bufbuild/protobuf";
import { FileSchema, type File } from "#gen/weir/inference/v1/file_pb.ts";
import type { CallContext } from "#platform/service-types.ts";
import { AccountFiles } from "../domain/account/account-files.ts";
import type { JsonObject } from "../domain/dialect.ts";
import { runCall } from "../domain/pipeline.ts";
import { integerOf, textOf, timeOf } from "./account-json.ts";
import { callOf, grantOf, type InferenceDependencies } from "./inference-dependencies.ts";

export function filesOf(context: CallContext, { pipeline, fileIds }: InferenceDependencies): AccountFiles {
  const grant = grantOf(context);
  return new AccountFiles({ dialect: "openai", ids: fileIds(grant.organizationId), grant, view: pipeline.view(), providerField: "provider", run: (asked) => runCall(callOf(context, asked, {}), pipeline), breathe: pipeline.breathe });
}

/** The name of a provider as a request has it, where empty means none. */
export function providerOf(name: string): string | undefined {
  return name === "" ? undefined : name;
}

/** Of a file in OpenAI's JSON. */
export function fileMessage({ id, filename, purpose, bytes, created_at: createdAt, expires_at: expiresAt }: JsonObject): File {
  return create(FileSchema, {
    id: String(id),
    filename: textOf(filename),
    purpose: textOf(purpose),
    sizeBytes: integerOf(bytes),
    ...timeOf("createTime", createdAt),
    ...timeOf("expireTime", expiresAt),
  });
}
