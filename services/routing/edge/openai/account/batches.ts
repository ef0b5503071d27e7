/** Owns /v1/batches: create, list, look up and cancel. */
import { parseJsonObject } from "#platform/formats/json.ts";
import type { AccountFiles } from "../../../domain/account/account-files.ts";
import type { FilesEndpoint, FilesRequest, JsonObject } from "../../../domain/dialect.ts";
import { cancelBatch, largestBatchPage, listBatches, lookAtBatch, makeBatch, usualBatchPage } from "../../../domain/account/kept-batches.ts";
import { readPageLimit } from "../../dialect-parts/request-fields.ts";
import { readBatchInput } from "./batch-input.ts";
import { pageOf } from "./files.ts";
import { ObjectReader } from "../object-reader.ts";

const path = "/v1/batches";

export const batchesEndpoints: readonly FilesEndpoint[] = [
  { operation: "files", method: "POST", path, answer: async (request, files) => ({ json: await make(request, files) }) },
  { operation: "files", method: "GET", path, answer: async (request, files) => ({ json: await list(request, files) }) },
  { operation: "files", method: "POST", path: `${path}/{id}/cancel`, answer: async ({ id }, files) => ({ json: await cancelBatch(id, files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await lookAtBatch(id, files) }) },
];

async function make({ body: readBody }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const body = await readBody();
  const reader = new ObjectReader(parseJsonObject(body));
  return makeBatch({ inputFileId: reader.text("input_file_id"), endpoint: reader.text("endpoint"), metadata: reader.raw("metadata"), body }, readBatchInput, files);
}

async function list({ provider, query }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const asked = new URLSearchParams(query);
  const limit = readPageLimit(asked.get("limit"), largestBatchPage, usualBatchPage);
  const { data, hasMore } = await listBatches(files.providerFor(provider), { limit, after: asked.get("after") ?? undefined }, files);
  return pageOf(data, hasMore);
}
