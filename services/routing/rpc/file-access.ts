/** Owns what the RPCs of InferenceService about files have in common: the caller's files, and a file as the contract has it. */
import { create } from "@bufbuild/protobuf";
import { FileSchema, type File } from "#gen/weir/inference/v1/file_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { AccountFiles } from "../domain/account/account-files.ts";
import type { JsonObject } from "../domain/dialect.ts";
import { runCall } from "../domain/pipeline.ts";
import { integerOf, textOf, timeOf } from "./account-json.ts";
import { callOf, grantOf, type InferenceDependencies } from "./inference-dependencies.ts";

/** At whichever provider they are. */
export function filesOf(context: CallContext, dependencies: InferenceDependencies): AccountFiles {
  return accountFiles(["openai", "anthropic"], context, dependencies);
}

/** Those that batches begin with, and the batches of them. */
export function batchFilesOf(context: CallContext, dependencies: InferenceDependencies): AccountFiles {
  return accountFiles(["openai"], context, dependencies);
}

function accountFiles(dialects: readonly string[], context: CallContext, { pipeline, fileIds }: InferenceDependencies): AccountFiles {
  const grant = grantOf(context);
  return new AccountFiles({ dialects, ids: fileIds(grant.organizationId), grant, view: pipeline.view(), headers: {}, providerField: "provider", run: (asked) => runCall(callOf(context, asked, {}), pipeline), breathe: pipeline.breathe });
}

/** The name of a provider as a request has it, where empty means none. */
export function providerOf(name: string): string | undefined {
  return name === "" ? undefined : name;
}

/** Of a file in OpenAI's JSON, or Anthropic's. */
export function fileMessage({ id, filename, purpose, bytes, size_bytes: sizeBytes, created_at: createdAt, expires_at: expiresAt }: JsonObject): File {
  return create(FileSchema, {
    id: String(id),
    filename: textOf(filename),
    purpose: textOf(purpose),
    sizeBytes: integerOf(bytes ?? sizeBytes),
    ...timeOf("createTime", createdAt),
    ...timeOf("expireTime", expiresAt),
  });
}
