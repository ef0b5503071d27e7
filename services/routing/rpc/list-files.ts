/** Owns InferenceService.ListFiles. */
import { create } from "@bufbuild/protobuf";
import { ListFilesResponseSchema, type ListFilesRequest, type ListFilesResponse } from "#gen/weir/inference/v1/file_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { listFiles } from "../domain/account/kept-files.ts";
import { fileMessage, filesOf, providerOf } from "./file-access.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

const defaultPageSize = 1_000;

/** A page's token is the id of its last file. */
export async function listFilesPage({ provider: named, purpose, pageSize, pageToken }: ListFilesRequest, context: CallContext, dependencies: InferenceDependencies): Promise<ListFilesResponse> {
  const files = filesOf(context, dependencies);
  const provider = files.providerFor(providerOf(named));
  const filters = files.apiOf(provider).hasPurposes ? { order: "desc", ...(purpose === "" ? {} : { purpose }) } : {};
  const { data, hasMore } = await listFiles(provider, { limit: pageSize || defaultPageSize, after: pageToken === "" ? undefined : pageToken, filters }, files);
  return create(ListFilesResponseSchema, { files: data.map(fileMessage), nextPageToken: hasMore ? String(data.at(-1)!["id"]) : "" });
}
