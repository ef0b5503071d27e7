/** Owns what is done with files in the account at a vendor, in the vendor's own JSON: whose they are stands in their names there, and in the ids that their owners get. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/json.ts";
import { writeForm, type FormPart } from "#platform/multipart.ts";
import type { AccountFiles } from "./account-files.ts";
import type { JsonObject } from "../dialect.ts";
import type { Reply } from "../call.ts";

/** Those that a request or a batch can refer to; the others are for what Weir has no door to. */
export const filePurposes: readonly string[] = ["user_data", "vision", "assistants", "batch"];

/** The form's other parts go on as they are. */
export async function uploadFile(provider: string, parts: readonly FormPart[], files: AccountFiles): Promise<JsonObject> {
  const marked = parts.map((part) => (part.name === "file" ? { ...part, filename: `${files.ids.mark}${part.filename ?? "file"}` } : part));
  return shown(await answerOf(await files.ask(provider, "/files", writeForm(marked))), provider, files);
}

/** Looks it up, or deletes it. */
export async function lookAtFile(id: string, method: "GET" | "DELETE", files: AccountFiles): Promise<JsonObject> {
  return shown(await answerOf(await askAbout(id, method, "/files/{id}", files)), files.placeOf(id).provider, files);
}

/** What it holds. */
export function readFile(id: string, files: AccountFiles): Promise<Reply> {
  return askAbout(id, "GET", "/files/{id}/content", files);
}

/** What the vendor takes at once, and how often it is asked: the account holds the files of all organizations. */
export const largestPage = 10_000;
const maximumPages = 10;

export interface FileQuery {
  /** At most `largestPage`. */
  readonly limit: number;
  /** The id of the last file of the page before. */
  readonly after: string | undefined;
  readonly purpose: string | undefined;
  readonly order: string | undefined;
}

export interface FilePage {
  readonly data: readonly JsonObject[];
  readonly hasMore: boolean;
}

/** The vendor's pages without the files of others, until a page of the caller's own is full. */
export async function listFiles(provider: string, { limit, after: afterId, purpose, order }: FileQuery, files: AccountFiles): Promise<FilePage> {
  const data: JsonObject[] = [];
  let after = afterId === undefined ? undefined : files.placeOf(afterId).vendorId;
  for (let page = 0; page < maximumPages; page++) {
    const query = Object.entries({ limit: String(largestPage), purpose, order, after }).filter((member): member is [string, string] => member[1] !== undefined);
    const { json: found, ownAccount } = await answerOf(await files.ask(provider, "/files", { method: "GET", query: new URLSearchParams(query).toString() }));
    const all = Array.isArray(found["data"]) ? (found["data"] as JsonObject[]) : [];
    const own = all.filter(({ filename }) => typeof filename === "string" && filename.startsWith(files.ids.mark));
    for (const file of own) {
      if (data.length === limit) return { data, hasMore: true };
      data.push(shown({ json: file, ownAccount }, provider, files));
    }
    if (found["has_more"] !== true || all.length === 0) return { data, hasMore: false };
    after = String(all.at(-1)!["id"]);
  }
  throw new GatewayError("UNSUPPORTED_OPERATION", `The account at ${provider} holds more than ${largestPage * maximumPages} files, too many to look through. Ask for a purpose, or keep the ids of your files.`);
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
