/** Owns which values of a dialect's JSON are texts: all but those that only machines read. */
import { rewriteScalars, type JsonScalar } from "#platform/formats/json-strings.ts";

export type Rewrite = (text: string) => string;

/** Members whose values mean something to machines alone, in any dialect; changed, the vendor would not understand them. */
const machineNames: ReadonlySet<string> = new Set([
  "type", "role", "model", "object", "status", "detail", "format", "encoding_format", "service_tier", "system_fingerprint", "finish_reason", "finishReason", "stop_reason",
  "id", "tool_call_id", "tool_use_id", "call_id", "item_id", "response_id", "previous_response_id", "file_id",
  "signature", "thoughtSignature", "thought_signature", "encrypted_content",
  "url", "image_url", "fileUri", "file_uri", "mime_type", "mimeType", "media_type",
]);

/** Members that hold bytes as base64, but also plain text: Anthropic's documents. */
const dataNames: ReadonlySet<string> = new Set(["data", "file_data", "b64_json"]);

/** Hardly a picture or a file has fewer letters of base64; a key, or a number, that is all that a document says, has. */
const shortestData = 256;

/** Members in which tools and models write what they like, under names of their own. */
const freeNames: ReadonlySet<string> = new Set(["args", "arguments", "response"]);

/** A number that may be a card's or a person's; shorter ones are neither. */
const shortestNumber = 8;

/** The JSON with its texts rewritten, every other byte untouched; the very same bytes where nothing changes. */
export function rewriteJson(body: Uint8Array, rewrite: Rewrite): Uint8Array {
  return rewriteScalars(body, (scalar) => {
    const { text, isNumber, names } = scalar;
    if (isWrittenFreely(names)) return isNumber && text.length < shortestNumber ? text : rewrite(text);
    const name = names.at(-1) ?? "";
    if (isNumber || machineNames.has(name) || (dataNames.has(name) && isData(text))) return text;
    return isArguments(scalar) ? rewriteJsonText(text, rewrite) : rewrite(text);
  });
}

/** A text that is JSON, such as the arguments of a tool, with the texts in it rewritten; one that is none, as a whole. */
export function rewriteJsonText(text: string, rewrite: Rewrite): string {
  if (!isJson(text)) return rewrite(text);
  const body = Buffer.from(text);
  const rewritten = rewriteScalars(body, (scalar) => (scalar.isNumber && scalar.text.length < shortestNumber ? scalar.text : rewrite(scalar.text)));
  return rewritten === body ? text : Buffer.from(rewritten.buffer, rewritten.byteOffset, rewritten.byteLength).toString("utf8");
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Within the arguments or the answer of a tool. Responses' outermost `input` is the conversation, `input` in a message Anthropic's arguments. */
function isWrittenFreely(names: readonly string[]): boolean {
  return names.slice(0, -1).some((name, depth) => freeNames.has(name) || (name === "input" && depth > 0));
}

function isData(text: string): boolean {
  return text.startsWith("data:") || (text.length >= shortestData && !/[^A-Za-z0-9+/=_\r\n-]/.test(text));
}

function isArguments({ names }: JsonScalar): boolean {
  return names.at(-1) === "arguments";
}
