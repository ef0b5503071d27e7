/** Owns /v1/batches: create, list, look up and cancel. A batch goes to the provider that keeps its input file. */
import { GatewayError } from "#platform/errors.ts";
import { InnerSplices, parseJsonObject, spliceJson } from "#platform/json.ts";
import type { AccountFiles } from "../../domain/account-files.ts";
import type { FilesEndpoint, FilesRequest, JsonObject } from "../../domain/dialect.ts";
import { answerOf, type AccountAnswer } from "../../domain/kept-files.ts";
import { invalidField } from "../request-fields.ts";
import { readBatchInput } from "./batch-input.ts";
import { pageOf, readLimit } from "./files.ts";
import { ObjectReader } from "./object-reader.ts";

const path = "/v1/batches";

export const batchesEndpoints: readonly FilesEndpoint[] = [
  { operation: "files", method: "POST", path, answer: async (request, files) => ({ json: await make(request, files) }) },
  { operation: "files", method: "GET", path, answer: async (request, files) => ({ json: await list(request, files) }) },
  { operation: "files", method: "POST", path: `${path}/{id}/cancel`, answer: async ({ id }, files) => ({ json: await look(id, "POST", "/batches/{id}/cancel", files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await look(id, "GET", "/batches/{id}", files) }) },
];

/** Members of a batch's metadata at the vendor by which Weir knows it again: whose it is, and, put there by providers, the attempt that made it. */
const organizationMark = "weir_organization";
const isMark = (name: string): boolean => name.startsWith("weir_");

/** The vendor takes 16 (`Metadata` of the `openai` package). */
const mostMetadata = 14;

async function make({ body }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const source = await body();
  const reader = new ObjectReader(parseJsonObject(source));
  const place = files.placeOf(reader.text("input_file_id"));
  const { provider, vendorId } = place;
  checkMetadata(reader.raw("metadata"));
  const content = await files.ask(provider, "/files/{id}/content", { method: "GET" }, place);
  const { plan, bound } = await readBatchInput(content.messages, reader.text("endpoint"), provider, files);
  const marked = spliceJson(source, { input_file_id: vendorId, metadata: new InnerSplices({ [organizationMark]: files.ids.mark }) });
  return shown(await answerOf(await files.makeBatch(plan, place, { body: marked, contentType: "application/json" }, bound)), provider, files);
}

function checkMetadata(metadata: unknown): void {
  if (metadata === undefined) return;
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) throw invalidField("metadata", "must be an object");
  const names = Object.keys(metadata);
  if (names.length > mostMetadata) throw invalidField("metadata", `must have at most ${mostMetadata} members, as Weir adds its own`);
  if (names.some(isMark)) throw invalidField("metadata", "must have no member that begins with weir_");
}

async function look(id: string, method: "GET" | "POST", endpoint: string, files: AccountFiles): Promise<JsonObject> {
  const place = files.placeOf(id, "batch");
  return shown(await answerOf(await files.ask(place.provider, endpoint, { method }, place)), place.provider, files);
}

/** What the vendor takes at once, and how often it is asked: the account has the batches of all organizations. */
const vendorPageSize = 100;
const maximumPages = 20;
const usualPageSize = 20;

async function list({ provider: named, query }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const asked = new URLSearchParams(query);
  const provider = files.providerFor(named);
  const limit = readLimit(asked.get("limit"), vendorPageSize, usualPageSize);
  const data: JsonObject[] = [];
  let after = asked.has("after") ? files.placeOf(asked.get("after")!, "batch").vendorId : undefined;
  for (let page = 0; page < maximumPages; page++) {
    const query = new URLSearchParams({ limit: String(vendorPageSize), ...(after === undefined ? {} : { after }) }).toString();
    const { json: found, ownAccount } = await answerOf(await files.ask(provider, "/batches", { method: "GET", query }));
    const all = Array.isArray(found["data"]) ? (found["data"] as JsonObject[]) : [];
    for (const batch of all.filter((one) => (one["metadata"] as JsonObject | null | undefined)?.[organizationMark] === files.ids.mark)) {
      if (data.length === limit) return pageOf(data, true);
      data.push(shown({ json: batch, ownAccount }, provider, files));
    }
    if (found["has_more"] !== true || all.length === 0) return pageOf(data, false);
    after = String(all.at(-1)!["id"]);
  }
  throw new GatewayError("UNSUPPORTED_OPERATION", `The newest ${vendorPageSize * maximumPages} batches in the account at ${provider} were looked through, and there are more. Keep the ids of your batches.`);
}

/** The vendor's batch as its owner sees it. */
function shown({ json: batch, ownAccount }: AccountAnswer, provider: string, { ids }: AccountFiles): JsonObject {
  const { id, metadata } = batch;
  if (typeof id !== "string") throw new GatewayError("UPSTREAM_PROTOCOL", `${provider} answered without the id of a batch.`);
  const files = ["input_file_id", "output_file_id", "error_file_id"].flatMap((name) => {
    const vendorId = batch[name];
    return typeof vendorId === "string" ? [[name, ids.write({ provider, vendorId, ownAccount })]] : [];
  });
  const own = Object.entries((metadata as JsonObject | null | undefined) ?? {}).filter(([name]) => !isMark(name));
  return { ...batch, ...Object.fromEntries(files), metadata: own.length === 0 ? null : Object.fromEntries(own), id: ids.write({ provider, vendorId: id, ownAccount }, "batch") };
}
