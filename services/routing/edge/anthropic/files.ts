/** Owns /v1/files as Anthropic has it: upload, list, look up, read and delete. */
import { readForm } from "#platform/formats/multipart.ts";
import type { AccountFiles } from "../../domain/account/account-files.ts";
import type { FilesEndpoint, FilesRequest, JsonObject } from "../../domain/dialect.ts";
import { findFiles, listFiles, lookAtFile, readFile, uploadFile, type FilePage } from "../../domain/account/kept-files.ts";
import { invalidField, readPageLimit } from "../dialect-parts/request-fields.ts";

const path = "/v1/files";
const largestPage = 1_000;
const usualPage = 20;

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
  if (form.part("file") === undefined) throw invalidField("file", "is missing");
  return uploadFile(provider, form.parts, files);
}

/** Clients go on by `next_page`; those made while the API was in beta, by `last_id`. */
async function list({ provider: named, query }: FilesRequest, files: AccountFiles): Promise<JsonObject> {
  const asked = new URLSearchParams(query);
  if (asked.has("before_id")) throw invalidField("before_id", "cannot be asked for: files are listed from the newest on, by page or after_id");
  const { data, hasMore } = await page(files.providerFor(named), asked, files);
  const lastId = data.at(-1)?.["id"] ?? null;
  return { data, has_more: hasMore, first_id: data[0]?.["id"] ?? null, last_id: lastId, next_page: hasMore ? lastId : null };
}

async function page(provider: string, asked: URLSearchParams, files: AccountFiles): Promise<FilePage> {
  const ids = [...asked.getAll("ids"), ...asked.getAll("ids[]")];
  if (ids.length > 0) return { data: await findFiles(provider, ids, files), hasMore: false };
  const after = asked.get("page") ?? asked.get("after_id") ?? undefined;
  return listFiles(provider, { limit: readPageLimit(asked.get("limit"), largestPage, usualPage), after }, files);
}
