/** Owns /v1/files: upload, list, look up, read and delete. */
import { readForm } from "#platform/formats/multipart.ts";
import type { AccountFiles } from "../../../domain/account/account-files.ts";
import type { FilesEndpoint, FilesRequest, JsonObject } from "../../../domain/dialect.ts";
import { filePurposes, listFiles, lookAtFile, readFile, uploadFile } from "../../../domain/account/kept-files.ts";
import { invalidField, readPageLimit } from "../../dialect-parts/request-fields.ts";

const path = "/v1/files";
/** What OpenAI lists at once. */
const largestPage = 10_000;

export const filesEndpoints: readonly FilesEndpoint[] = [
  { operation: "files", method: "POST", path, answer: async (request, files) => ({ json: await upload(request, files) }) },
  { operation: "files", method: "GET", path, answer: async (request, files) => ({ json: await list(request, files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}/content`, answer: async ({ id }, files) => ({ reply: await readFile(id, files) }) },
  { operation: "files", method: "GET", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await lookAtFile(id, "GET", files) }) },
  { operation: "files", method: "DELETE", path: `${path}/{id}`, answer: async ({ id }, files) => ({ json: await lookAtFile(id, "DELETE", files) }) },
];

async function upload({ provider: named, body, contentType }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const provider = files.providerFor(named);
  const form = await readForm(await body(), contentType);
  if (!filePurposes.includes(form.text("purpose") ?? "")) throw invalidField("purpose", `must be one of ${filePurposes.join(", ")}`);
  if (form.part("file") === undefined) throw invalidField("file", "is missing");
  return uploadFile(provider, form.parts, files);
}

async function list({ provider: named, query }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const asked = new URLSearchParams(query);
  const filters = Object.fromEntries(["purpose", "order"].flatMap((name) => (asked.has(name) ? [[name, asked.get(name)!]] : [])));
  const { data, hasMore } = await listFiles(files.providerFor(named), { limit: readPageLimit(asked.get("limit"), largestPage), after: asked.get("after") ?? undefined, filters }, files);
  return pageOf(data, hasMore);
}

export function pageOf(data: readonly JsonObject[], hasMore: boolean): JsonObject {
  return { object: "list", data, first_id: data[0]?.["id"] ?? null, last_id: data.at(-1)?.["id"] ?? null, has_more: hasMore };
}
