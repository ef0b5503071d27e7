/** Owns /v1/files: upload, list, look up, read and delete. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/json.ts";
import { readForm, writeForm } from "#platform/multipart.ts";
import type { AccountFiles } from "../../domain/account-files.ts";
import type { FilesEndpoint, FilesRequest, JsonObject } from "../../domain/dialect.ts";
import type { Reply } from "../../domain/pipeline.ts";
import { invalidField } from "../request-fields.ts";

const path = "/v1/files";

export const filesEndpoints: readonly FilesEndpoint[] = [
  { operation: "files", method: "POST", path, answer: async (request, files) => ({ json: await upload(request, files) }) },
  { operation: "files", method: "GET", path, answer: async (request, files) => ({ json: await list(request, files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}/content`, answer: async ({ id }, files) => ({ reply: await askAbout(id, "GET", "/files/{id}/content", files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await look(id, "GET", files) }) },
  { operation: "files", method: "DELETE", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await look(id, "DELETE", files) }) },
];

/** Those that a request or a batch can refer to; the others are for what Weir has no door to. */
const purposes: readonly string[] = ["user_data", "vision", "assistants", "batch"];

async function upload({ provider: named, body, contentType }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const provider = files.providerFor(named);
  const form = await readForm(await body(), contentType);
  const purpose = form.text("purpose") ?? "";
  if (!purposes.includes(purpose)) throw invalidField("purpose", `must be one of ${purposes.join(", ")}`);
  if (form.part("file") === undefined) throw invalidField("file", "is missing");
  const parts = form.parts.map((part) => (part.name === "file" ? { ...part, filename: `${files.ids.mark}${part.filename ?? "file"}` } : part));
  return shown(await jsonOf(await files.ask(provider, "/files", writeForm(parts))), provider, files);
}

async function look(id: string, method: "GET" | "DELETE", files: AccountFiles): Promise<JsonObject> {
  return shown(await jsonOf(await askAbout(id, method, "/files/{id}", files)), files.placeOf(id).provider, files);
}

function askAbout(id: string, method: "GET" | "DELETE", endpoint: string, files: AccountFiles): Promise<Reply> {
  const { provider, vendorId } = files.placeOf(id);
  return files.ask(provider, endpoint, { method }, vendorId);
}

/** What the vendor takes at once, and how often it is asked: the account holds the files of all organizations. */
const vendorPageSize = 10_000;
const maximumPages = 10;

/** The vendor's pages without the files of others, until a page of the caller's own is full. */
async function list({ provider: named, query }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const asked = new URLSearchParams(query);
  const provider = files.providerFor(named);
  const limit = readLimit(asked.get("limit"), vendorPageSize);
  const data: JsonObject[] = [];
  let after = asked.has("after") ? files.placeOf(asked.get("after")!).vendorId : undefined;
  for (let page = 0; page < maximumPages; page++) {
    const found = await jsonOf(await files.ask(provider, "/files", { method: "GET", query: vendorQuery(asked, after) }));
    const all = Array.isArray(found["data"]) ? (found["data"] as JsonObject[]) : [];
    const own = all.filter(({ filename }) => typeof filename === "string" && filename.startsWith(files.ids.mark));
    for (const file of own) {
      if (data.length === limit) return pageOf(data, true);
      data.push(shown(file, provider, files));
    }
    if (found["has_more"] !== true || all.length === 0) return pageOf(data, false);
    after = String(all.at(-1)!["id"]);
  }
  throw new GatewayError("UNSUPPORTED_OPERATION", `The account at ${provider} holds more than ${vendorPageSize * maximumPages} files, too many to look through. Ask for a purpose, or keep the ids of your files.`);
}

function vendorQuery(asked: URLSearchParams, after: string | undefined): string {
  const query = new URLSearchParams({ limit: String(vendorPageSize) });
  for (const name of ["purpose", "order"]) if (asked.has(name)) query.set(name, asked.get(name)!);
  if (after !== undefined) query.set("after", after);
  return query.toString();
}

/** The size of a page that was asked for. Throws INVALID_REQUEST beyond the most. */
export function readLimit(text: string | null, most: number, usual = most): number {
  if (text === null) return usual;
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > most) throw invalidField("limit", `must be a whole number from 1 to ${most}`);
  return limit;
}

export function pageOf(data: readonly JsonObject[], hasMore: boolean): JsonObject {
  return { object: "list", data, first_id: data[0]?.["id"] ?? null, last_id: data.at(-1)?.["id"] ?? null, has_more: hasMore };
}

/** The vendor's file as its owner sees it. */
function shown(file: JsonObject, provider: string, { ids }: AccountFiles): JsonObject {
  const { id, filename } = file;
  if (typeof id !== "string") throw new GatewayError("UPSTREAM_PROTOCOL", `${provider} answered without the id of a file.`);
  const own = typeof filename === "string" && filename.startsWith(ids.mark) ? { filename: filename.slice(ids.mark.length) } : {};
  return { ...file, ...own, id: ids.write({ provider, vendorId: id }) };
}

/** The JSON of a reply in one piece. */
export async function jsonOf({ messages }: Reply): Promise<JsonObject> {
  const pieces: Uint8Array[] = [];
  for await (const { native } of messages as AsyncIterable<AttemptResponse>) pieces.push(native);
  return parseJsonObject(Buffer.concat(pieces));
}
