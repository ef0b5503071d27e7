/** Owns /v1/messages/batches: create, list, look up, cancel, read the results and delete. */
import type { AccountFiles } from "../../domain/account/account-files.ts";
import type { FilesEndpoint, FilesRequest, JsonObject } from "../../domain/dialect.ts";
import {
  cancelMessageBatch,
  deleteMessageBatch,
  largestMessageBatchPage,
  listMessageBatches,
  lookAtMessageBatch,
  makeMessageBatch,
  readResults,
  usualMessageBatchPage,
  type MessageBatchQuery,
} from "../../domain/account/kept-message-batches.ts";
import { invalidField, readPageLimit } from "../dialect-parts/request-fields.ts";
import { readBatchRequests } from "./batch-requests.ts";

const path = "/v1/messages/batches";

export const batchesEndpoints: readonly FilesEndpoint[] = [
  { operation: "files", method: "POST", path, answer: async (request, files) => ({ json: await make(request, files) }) },
  { operation: "files", method: "GET", path, answer: async (request, files) => ({ json: await list(request, files) }) },
  { operation: "files", method: "POST", path: `${path}/{id}/cancel`, answer: async ({ id }, files) => ({ json: await cancelMessageBatch(id, files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}/results`, answer: async ({ id }, files) => ({ reply: await readResults(id, files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await lookAtMessageBatch(id, files) }) },
  { operation: "files", method: "DELETE", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await deleteMessageBatch(id, files) }) },
];

async function make({ body: readBody }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const body = await readBody();
  return makeMessageBatch({ body, ...(await readBatchRequests(body, files)) }, files);
}

async function list({ provider, query }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const asked = new URLSearchParams(query);
  const limit = readPageLimit(asked.get("limit"), largestMessageBatchPage, usualMessageBatchPage);
  const { data, hasMore } = await listMessageBatches(files.providerFor(provider), { limit, cursor: cursorOf(asked) }, files);
  return { data, has_more: hasMore, first_id: data[0]?.["id"] ?? null, last_id: data.at(-1)?.["id"] ?? null };
}

function cursorOf(asked: URLSearchParams): MessageBatchQuery["cursor"] {
  const [after, before] = [asked.get("after_id"), asked.get("before_id")];
  if (after !== null && before !== null) throw invalidField("before_id", "cannot stand beside after_id");
  if (after !== null) return { name: "after_id", id: after };
  return before === null ? undefined : { name: "before_id", id: before };
}
