/** Owns what is done with files in the account at a vendor, in the vendor's own JSON: whose they are stands in their names there, and in the ids that their owners get. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import { writeForm, type FormPart } from "#platform/formats/multipart.ts";
import type { AccountFiles } from "./account-files.ts";
import type { FileFilters } from "./file-apis.ts";
import type { JsonObject } from "../dialect.ts";
import type { Reply } from "../call.ts";

/** Of OpenAI's, those that a request or a batch can refer to; the others are for what Weir has no door to. */
export const filePurposes: readonly string[] = ["user_data", "vision", "assistants", "batch"];

/** The form's other parts go on as they are. */
export async function uploadFile(provider: string, parts: readonly FormPart[], files: AccountFiles): Promise<JsonObject> {
  const marked = parts.map((part) => (part.name === "file" ? { ...part, filename: files.ids.mark + lastOf(part.filename) } : part));
  return shown(await answerOf(await files.ask(provider, "/files", writeForm(marked))), provider, files);
}

/** Without folders: Anthropic cuts off what stands before the last one, so that behind it a caller could write somebody else's mark. */
function lastOf(filename = ""): string {
  return filename.split(/[/\\]/).at(-1) || "file";
}

/** Looks it up, or deletes it. */
export async function lookAtFile(id: string, method: "GET" | "DELETE", files: AccountFiles): Promise<JsonObject> {
  return shown(await answerOf(await askAbout(id, method, "/files/{id}", files)), files.placeOf(id).provider, files);
}

/** What it holds. */
export function readFile(id: string, files: AccountFiles): Promise<Reply> {
  return askAbout(id, "GET", "/files/{id}/content", files);
}

/** How often the vendor is asked for a page at most: the account holds the files of all organizations. */
const maximumPages = 10;

export interface FileQuery {
  readonly limit: number;
  /** The id of the last file of the page before. */
  readonly after: string | undefined;
  /** What else the vendor is asked for. */
  readonly filters?: FileFilters;
}

export interface FilePage {
  readonly data: readonly JsonObject[];
  readonly hasMore: boolean;
}

/** The files behind the last one of the page before, in the vendor's order. */
export async function listFiles(provider: string, { limit, after, filters = {} }: FileQuery, files: AccountFiles): Promise<FilePage> {
  const behind = after === undefined ? undefined : filtersBehind(after, provider, files);
  let isBefore = after !== undefined && behind === undefined;
  const data: JsonObject[] = [];
  for await (const file of ownFiles(provider, { ...filters, ...behind }, files)) {
    if (isBefore) {
      isBefore = file["id"] !== after;
      continue;
    }
    if (data.length === limit) return { data, hasMore: true };
    data.push(file);
  }
  if (isBefore) throw files.notFound(after!, "file");
  return { data, hasMore: false };
}

/** Undefined where the file has to be looked for. Throws NOT_FOUND for one that cannot be in the list: no vendor is asked for it in vain. */
function filtersBehind(id: string, provider: string, files: AccountFiles): FileFilters | undefined {
  const place = files.placeOf(id);
  if (place.provider !== provider) throw files.notFound(id, "file");
  return files.apiOf(provider).behindFile?.(place.vendorId);
}

/** Those of these ids that are there. */
export async function findFiles(provider: string, ids: readonly string[], files: AccountFiles): Promise<readonly JsonObject[]> {
  const missing = new Set(ids.filter((id) => files.ids.read(id)?.provider === provider));
  const data: JsonObject[] = [];
  if (missing.size === 0) return data;
  for await (const file of ownFiles(provider, {}, files)) {
    if (missing.delete(String(file["id"]))) data.push(file);
    if (missing.size === 0) break;
  }
  return data;
}

/** The vendor's pages, one behind the other, without the files of others. */
async function* ownFiles(provider: string, filters: FileFilters, files: AccountFiles): AsyncGenerator<JsonObject> {
  const api = files.apiOf(provider);
  let from: FileFilters = filters;
  let seen = 0;
  for (let page = 0; page < maximumPages; page++) {
    const query = new URLSearchParams({ limit: String(api.pageSize), ...from }).toString();
    const { json: found, ownAccount } = await answerOf(await files.ask(provider, "/files", { method: "GET", query }));
    const all = Array.isArray(found["data"]) ? (found["data"] as JsonObject[]) : [];
    seen += all.length;
    for (const file of all) {
      const { filename } = file;
      if (typeof filename === "string" && filename.startsWith(files.ids.mark)) yield shown({ json: file, ownAccount }, provider, files);
    }
    const behind = api.behindPage(found);
    if (behind === undefined) return;
    from = { ...filters, ...behind };
  }
  throw new GatewayError("UNSUPPORTED_OPERATION", `The account at ${provider} holds more than ${seen} files, too many to look through. Keep the ids of your files.`);
}

/** What the vendor says, and of which account. */
export interface AccountAnswer {
  readonly json: JsonObject;
  /** As in FilePlace. */
  readonly ownAccount: boolean;
}

/** Of a reply in one piece. */
export async function answerOf({ messages }: Reply): Promise<AccountAnswer> {
  const pieces: Uint8Array[] = [];
  let ownAccount = false;
  for await (const { native, start } of messages as AsyncIterable<AttemptResponse>) {
    pieces.push(native);
    ownAccount ||= start?.ownAccount === true;
  }
  return { json: parseJsonObject(Buffer.concat(pieces)), ownAccount };
}

async function askAbout(id: string, method: "GET" | "DELETE", endpoint: string, files: AccountFiles): Promise<Reply> {
  const place = files.placeOf(id);
  try {
    return await files.ask(place.provider, endpoint, { method }, place);
  } catch (error) {
    // Deleted since, or by the vendor when its time was over.
    throw error instanceof GatewayError && error.metadata["status"] === "404" ? files.notFound(id, "file") : error;
  }
}

/** The vendor's file as its owner sees it. */
function shown({ json: file, ownAccount }: AccountAnswer, provider: string, { ids }: AccountFiles): JsonObject {
  const { id, filename } = file;
  if (typeof id !== "string") throw new GatewayError("UPSTREAM_PROTOCOL", `${provider} answered without the id of a file.`);
  const own = typeof filename === "string" && filename.startsWith(ids.mark) ? { filename: filename.slice(ids.mark.length) } : {};
  return { ...file, ...own, id: ids.write({ provider, vendorId: id, ownAccount }) };
}
