/** Owns finding the caller's last text in the bytes of a dialect, for its frame. A dialect without a row here has no such place. */
import { parseJsonObject } from "#platform/formats/json.ts";
import { rewriteScalars } from "#platform/formats/json-strings.ts";
import type { JsonObject } from "../dialect.ts";

export interface FramedBody {
  readonly texts: readonly string[];
  /** The body with something else in the place of each text, every other byte untouched. */
  readonly body: Uint8Array;
}

/** The members that hold the turns of a conversation and, in one, what is said. */
interface Place {
  readonly turns: string;
  readonly content: string;
}

const inMessages: Place = { turns: "messages", content: "content" };

const places: Readonly<Record<string, Place>> = {
  openai: inMessages,
  anthropic: inMessages,
  ollama: inMessages,
  "openai-responses": { turns: "input", content: "content" },
  gemini: { turns: "contents", content: "parts" },
};

/** Longer ones would keep other requests waiting while they are read. */
const longestBodyBytes = 128 * 1024;

/** Undefined where the last turn is not the caller's text alone. */
export function framedBody(dialect: string, body: Uint8Array, rewrite: (text: string) => string): FramedBody | undefined {
  const place = Object.hasOwn(places, dialect) ? places[dialect]! : undefined;
  if (place === undefined || body.length > longestBodyBytes) return undefined;
  const found = lastTexts(parseJsonObject(body), place);
  if (found === undefined) return undefined;
  // They are the last ones of their kind. What is taken for the text is what is left out of the frame, so that nothing goes uncompared.
  const before = countTexts(body, found.names) - found.count;
  const texts: string[] = [];
  const framed = rewriteTexts(body, found.names, (text, index) => {
    if (index < before) return text;
    texts.push(text);
    return rewrite(text);
  });
  return { texts, body: framed };
}

interface LastTexts {
  /** The members around each of them, the outermost first. */
  readonly names: readonly string[];
  readonly count: number;
}

function lastTexts(body: JsonObject, { turns, content }: Place): LastTexts | undefined {
  const all = body[turns];
  // Responses: a prompt in place of a conversation.
  if (typeof all === "string") return { names: [turns], count: 1 };
  const last: unknown = Array.isArray(all) ? all.at(-1) : undefined;
  if (!isObject(last) || last["role"] !== "user" || !hasOnly(last, ["role", "type", "name", content])) return undefined;
  const said = last[content];
  if (typeof said === "string") return { names: [turns, content], count: 1 };
  if (!Array.isArray(said) || said.length === 0 || !said.every(isText)) return undefined;
  return { names: [turns, content, "text"], count: said.length };
}

function isText(part: unknown): boolean {
  return isObject(part) && typeof part["text"] === "string" && hasOnly(part, ["type", "text", "cache_control"]) && [undefined, "text", "input_text"].includes(part["type"] as string | undefined);
}

/** Anything else that a turn holds, a picture or a name that is not known here, may be what it is about. */
function hasOnly(value: JsonObject, names: readonly string[]): boolean {
  return Object.keys(value).every((name) => names.includes(name));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function countTexts(body: Uint8Array, names: readonly string[]): number {
  let count = 0;
  rewriteTexts(body, names, (text) => {
    count++;
    return text;
  });
  return count;
}

function rewriteTexts(body: Uint8Array, names: readonly string[], rewrite: (text: string, index: number) => string): Uint8Array {
  let next = 0;
  return rewriteScalars(body, (scalar) => (!scalar.isNumber && isSame(scalar.names, names) ? rewrite(scalar.text, next++) : scalar.text));
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}
