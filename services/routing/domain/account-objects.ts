/**
 * Owns which values of a request name what lies in the account that the operator has with a vendor: files, conversations, caches.
 * All organizations share that account, and the vendor cannot tell them apart, so none may name what Weir has not shown to be its own.
 */
import { createHash } from "node:crypto";
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject } from "./dialect.ts";

/** Throws UNSUPPORTED_FIELD, naming the field, when a body of any dialect refers to what lies in the account. */
export function refuseAccountObjects(body: JsonObject): void {
  walk(body, "", 0);
}

/** The same for a request in types. */
export function refuseAccountMedia({ messages }: Generation): void {
  for (const { parts } of messages) for (const part of parts) refuseMediaOf(part);
}

/** The caller's name for a prompt cache, such that no other organization's callers can name the same one. */
export function ownCacheKey(key: string, organizationId: string): string {
  return createHash("sha256").update(`${organizationId}\0${key}`).digest("base64url");
}

const filesAdvice = "send what it holds instead";

/** By a member's name, what a caller can do without it. */
const names: ReadonlyMap<string, string> = new Map([
  // OpenAI's Responses.
  ["previous_response_id", 'send the earlier items in input, with store: false and include: ["reasoning.encrypted_content"]'],
  ["conversation", "send the conversation's items in input"],
  ["prompt", "send the prompt's text in instructions or input"],
  ["background", "send false, as Weir keeps no replies"],
  ["vector_store_ids", filesAdvice],
  // OpenAI's and Anthropic's.
  ["file_id", filesAdvice],
  ["file_ids", filesAdvice],
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

function walk(value: unknown, path: string, depth: number): void {
  if (depth > maximumDepth) throw new GatewayError("INVALID_REQUEST", `The body is nested more than ${maximumDepth} levels deep, at ${path.slice(0, 200)}.`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (typeof value[index] === "object") walk(value[index], `${path}[${index}]`, depth + 1);
  } else if (isObject(value)) {
    refuseItemReference(value, path);
    for (const name in value) {
      const member = value[name];
      if (opaque.has(name) && isObject(member)) continue;
      const memberPath = path === "" ? name : `${path}.${name}`;
      const advice = names.get(name);
      if (advice !== undefined && refers(name, member)) throw refusal(memberPath, advice);
      if (typeof member === "string" && addresses.has(name) && liesInAccount(member)) throw refusal(memberPath, filesAdvice);
      if (typeof member === "object") walk(member, memberPath, depth + 1);
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

function refuseMediaOf({ kind }: Part): void {
  if (kind.case === "toolResult") for (const part of kind.value.parts) refuseMediaOf(part);
  if (kind.case !== "image" && kind.case !== "audio" && kind.case !== "file") return;
  const source = kind.value.media?.source;
  const field = `messages.parts.${kind.case}.media.${source?.case === "fileId" ? "file_id" : "url"}`;
  if (source?.case === "fileId" || (source?.case === "url" && liesInAccount(source.value))) throw refusal(field, filesAdvice);
}

function refusal(field: string, advice: string): GatewayError {
  return new GatewayError("UNSUPPORTED_FIELD", `${field} refers to what lies in the account at the vendor, which all callers of this Weir share; ${advice}.`, { metadata: { field } });
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
