/**
 * Owns which values of a request name what lies in the account that the operator has with a vendor: files, conversations, caches.
 * All organizations share that account, and the vendor cannot tell them apart, so none may name what Weir has not shown to be its own.
 */
import { createHash } from "node:crypto";
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject } from "../dialect.ts";
import type { FileIds, FilePlace } from "./file-ids.ts";

/** By the ids that callers know them by, files of the caller's own that a request refers to. */
export type OwnFiles = ReadonlyMap<string, FilePlace>;

/**
 * The caller's own files in a body of any dialect. Throws UNSUPPORTED_FIELD, naming the field, when the body refers to anything else
 * that lies in the account; where no ids are given, to any file.
 */
export function filesIn(body: JsonObject, ids?: FileIds): OwnFiles {
  const files = new Map<string, FilePlace>();
  walk(body, "", 0, (id) => takeOwn(id, ids, files));
  return files;
}

/** The same for a request in types. */
export function filesInTypes({ messages }: Generation, ids?: FileIds): OwnFiles {
  const files = new Map<string, FilePlace>();
  for (const { parts } of messages) for (const part of parts) checkMediaOf(part, (id) => takeOwn(id, ids, files));
  return files;
}

/** The bytes with the vendor's ids of these files in the place of the caller's. Throws UNSUPPORTED_FIELD when one lies with another provider. */
export function withVendorIds(body: Uint8Array, files: OwnFiles, provider: string): Uint8Array {
  let text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
  for (const id of files.keys()) text = text.replaceAll(`"${id}"`, JSON.stringify(vendorIdOf(id, files, provider)));
  return Buffer.from(text, "latin1");
}

/** The same for a request in types. */
export function withVendorMedia(generation: Generation, files: OwnFiles, provider: string): Generation {
  return { ...generation, messages: generation.messages.map((message) => ({ ...message, parts: message.parts.map((part) => partAtVendor(part, files, provider)) })) };
}

/** Whether the files lie in the organization's own account at the vendor. Throws INVALID_REQUEST when some do, and some in the one that is shared. */
export function accountOf(files: OwnFiles): boolean {
  const accounts = new Set(Array.from(files.values(), ({ ownAccount }) => ownAccount));
  if (accounts.size === 1) return accounts.has(true);
  throw new GatewayError("INVALID_REQUEST", "The files of this request lie in two accounts at the vendor: your organization has brought or removed a credential in between. Send all to one anew.");
}

/** The caller's name for a prompt cache, such that no other organization's callers can name the same one. */
export function ownCacheKey(key: string, organizationId: string): string {
  return createHash("sha256").update(`${organizationId}\0${key}`).digest("base64url");
}

const filesAdvice = "send what it holds instead";
/** Of files, the caller's own may be named. */
const ownFileAdvice = "name a file of your organization's that you have sent to POST /v1/files, or send what it holds instead";

/** By a member's name, what a caller can do without it. */
const names: ReadonlyMap<string, string> = new Map([
  // OpenAI's Responses.
  ["previous_response_id", 'send the earlier items in input, with store: false and include: ["reasoning.encrypted_content"]'],
  ["conversation", "send the conversation's items in input"],
  ["prompt", "send the prompt's text in instructions or input"],
  ["background", "send false, as Weir keeps no replies"],
  ["vector_store_ids", filesAdvice],
  // OpenAI's and Anthropic's.
  ["file_id", ownFileAdvice],
  ["file_ids", ownFileAdvice],
  ["container", "leave it out, or let a new one be made"],
  // Google's.
  ["cachedContent", filesAdvice],
  ["cached_content", filesAdvice],
  ["fileSearchStoreNames", filesAdvice],
  ["file_search_store_names", filesAdvice],
  ["datastore", filesAdvice],
  ["engine", filesAdvice],
  ["ragCorpus", filesAdvice],
  ["rag_corpus", filesAdvice],
]);

/** Members that hold what callers make up themselves, such as the arguments of a tool: to the vendor no name in them means anything. */
const opaque: ReadonlySet<string> = new Set(
  "input args response parameters parametersJsonSchema input_schema schema responseSchema responseJsonSchema response_schema response_json_schema metadata labels".split(" "),
);

/** More than any API has; a schema is not looked into. */
const maximumDepth = 64;

/** True when the id is of a file of the caller's own, which then is noted. */
type TakeFile = (id: string) => boolean;

function takeOwn(id: string, ids: FileIds | undefined, files: Map<string, FilePlace>): boolean {
  const place = ids?.read(id);
  if (place !== undefined) files.set(id, place);
  return place !== undefined;
}

function walk(value: unknown, path: string, depth: number, takeFile: TakeFile): void {
  if (depth > maximumDepth) throw new GatewayError("INVALID_REQUEST", `The body is nested more than ${maximumDepth} levels deep, at ${path.slice(0, 200)}.`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (typeof value[index] === "object") walk(value[index], `${path}[${index}]`, depth + 1, takeFile);
  } else if (isObject(value)) {
    refuseItemReference(value, path);
    for (const name in value) {
      const member = value[name];
      if (opaque.has(name) && isObject(member)) continue;
      const memberPath = path === "" ? name : `${path}.${name}`;
      const advice = names.get(name);
      if (advice !== undefined && refers(name, member) && !(advice === ownFileAdvice && idsIn(member).every(takeFile))) throw refusal(memberPath, advice);
      if (typeof member === "string" && addresses.has(name) && liesInAccount(member)) throw refusal(memberPath, filesAdvice);
      if (typeof member === "object") walk(member, memberPath, depth + 1, takeFile);
    }
  }
}

/** A prompt of Responses and a container are named by an object too; what is text or a new container refers to nothing. */
function refers(name: string, member: unknown): boolean {
  if (name === "prompt") return isObject(member);
  if (name === "background") return member === true;
  if (Array.isArray(member)) return member.some((id) => typeof id === "string");
  return typeof member === "string" ? member !== "" : isObject(member) && typeof member["id"] === "string";
}

/** An item of Responses that is nothing but the id of another; its type may be left out. */
function refuseItemReference(value: JsonObject, path: string): void {
  const { id, type, role } = value;
  if (typeof id !== "string" || !path.startsWith("input[")) return;
  if (type === "item_reference" || ((type === undefined || type === null) && role === undefined)) throw refusal(path, "send the item itself");
}

/** Members that hold an address which the vendor opens by itself, with what the account may read. */
const addresses: ReadonlySet<string> = new Set(["url", "image_url", "file_url", "fileUri", "file_uri", "uri"]);

/** Buckets, and the files that were uploaded to Gemini. */
function liesInAccount(address: string): boolean {
  return /^\s*(?:(?:gs|s3):|files\/|https?:\/\/[^/]*generativelanguage[^/]*googleapis\.com)/i.test(address);
}

function idsIn(member: unknown): readonly string[] {
  return (Array.isArray(member) ? member : [member]).map(String);
}

function checkMediaOf({ kind }: Part, takeFile: TakeFile): void {
  if (kind.case === "toolResult") for (const part of kind.value.parts) checkMediaOf(part, takeFile);
  if (kind.case !== "image" && kind.case !== "audio" && kind.case !== "file") return;
  const source = kind.value.media?.source;
  const field = `messages.parts.${kind.case}.media.${source?.case === "fileId" ? "file_id" : "url"}`;
  if (source?.case === "fileId" && !takeFile(source.value)) throw refusal(field, ownFileAdvice);
  if (source?.case === "url" && liesInAccount(source.value)) throw refusal(field, filesAdvice);
}

function partAtVendor(part: Part, files: OwnFiles, provider: string): Part {
  const { kind } = part;
  if (kind.case === "toolResult") return { ...part, kind: { case: "toolResult", value: { ...kind.value, parts: kind.value.parts.map((inner) => partAtVendor(inner, files, provider)) } } };
  if (kind.case !== "image" && kind.case !== "audio" && kind.case !== "file") return part;
  const { media } = kind.value;
  if (media?.source.case !== "fileId") return part;
  const own = { ...media, source: { case: "fileId" as const, value: vendorIdOf(media.source.value, files, provider) } };
  return { ...part, kind: { case: kind.case, value: { ...kind.value, media: own } } as Part["kind"] };
}

function vendorIdOf(id: string, files: OwnFiles, provider: string): string {
  const place = files.get(id)!;
  if (place.provider === provider) return place.vendorId;
  throw new GatewayError("UNSUPPORTED_FIELD", `The file ${id} lies with ${place.provider}, and ${provider} cannot read it there: name a model of ${place.provider}, or send the file to ${provider} too.`, { metadata: { field: "file_id" } });
}

function refusal(field: string, advice: string): GatewayError {
  return new GatewayError("UNSUPPORTED_FIELD", `${field} refers to what lies in the account at the vendor, which all callers of this Weir share; ${advice}.`, { metadata: { field } });
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
