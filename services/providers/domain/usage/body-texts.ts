/** Owns which texts of a body, of a request or a whole reply in any vendor's JSON, a model reads or writes. */
import { ownMedia, tokensOfBytes, tokensOfMedia, type InlineMedia } from "./request-tokens.ts";
import { isObject, textOf, tryParseJson } from "../translation/vendor-json.ts";

export interface BodyTexts {
  readonly texts: readonly string[];
  /** The tokens of what is no text: images, sounds, and other files, which count by their bytes. */
  readonly otherTokens: bigint;
}

/** What is no JSON is one text. */
export function readBodyTexts(body: Uint8Array, of: "request" | "reply"): BodyTexts {
  const value = tryParseJson(body);
  if (!isObject(value)) return { texts: [textOf(body)], otherTokens: 0n };
  const texts: string[] = [];
  let otherTokens = 0n;
  for (const [member, inner] of Object.entries(value)) {
    if (of === "request" && definitions.has(member)) texts.push(JSON.stringify(inner));
    if (!contents[of].has(member)) continue;
    for (const part of partsIn(inner, member)) {
      if (typeof part === "string") texts.push(part);
      else otherTokens += part.kind === "file" ? tokensOfBytes(part.base64.length) : tokensOfMedia(part);
    }
  }
  return { texts, otherTokens };
}

const setOf = (words: string): ReadonlySet<string> => new Set(words.split(" "));

/** The members that the model reads or writes. Others are settings; some replies repeat the request's. */
const contents = {
  request: setOf("system systemInstruction system_instruction instructions messages message contents content requests input inputs prompt suffix query documents texts images"),
  reply: setOf("choices candidates message content output response"),
};
/** Of a request, what tells the model of its tools, as JSON. */
const definitions = setOf("tools functions toolConfig");
/** In a content, the arguments and results of tools that stand there as JSON; as a list, some of them are contents. */
const jsonMembers = setOf("input args arguments parameters json response");
/** In a content, what stands there for the API alone. */
const labels = setOf(
  "type role id index status call_id tool_call_id tool_use_id toolUseId format detail media_type mimeType mime_type file_id signature thoughtSignature encrypted_content finish_reason finishReason stop_reason cache_control cachePoint logprobs",
);
const fileMembers = setOf("data bytes file_data");

type InlineFile = InlineMedia | { readonly kind: "file"; readonly base64: string };

function* partsIn(value: unknown, name: string): Iterable<string | InlineFile> {
  if (typeof value === "string") yield partOf(value, name);
  else if (Array.isArray(value)) {
    for (const item of value) yield* partsIn(item, name);
  } else if (isObject(value)) {
    const media = ownMedia(value, name);
    if (media !== undefined) yield media;
    for (const [member, inner] of Object.entries(value)) {
      if (labels.has(member) || inner === media?.base64) continue;
      if (jsonMembers.has(member) && isObject(inner)) yield JSON.stringify(inner);
      else yield* partsIn(inner, member === "source" ? name : member);
    }
  }
}

function partOf(text: string, name: string): string | InlineFile {
  if (name === "images") return { kind: "image", base64: text };
  if (name === "image_url") return ownMedia({ url: text }, name) ?? text;
  return fileMembers.has(name) ? { kind: "file", base64: text } : text;
}
