/** Owns the instant estimate of how many tokens a request holds: what is text by its bytes, images and sounds by what vendors count of them. */
import { estimateRecordingMs } from "./recording-length.ts";
import { isObject, tryParseJson, type JsonObject } from "../translation/vendor-json.ts";

const bytesPerToken = 4;
/** The most that Anthropic scales an image down to, and more than Google counts: https://platform.claude.com/docs/en/build-with-claude/vision */
const tokensPerImage = 1_600;
/** Google's count, and more than OpenAI's: https://ai.google.dev/gemini-api/docs/tokens */
const tokensPerSecond = 32;

/** A token for each four bytes, rounded up. */
export function tokensOfBytes(bytes: number): bigint {
  return BigInt(Math.ceil(bytes / bytesPerToken));
}

/** Of a body in any vendor's JSON. What is no JSON counts as text, as do files that are neither image nor sound. */
export function estimateRequestTokens(body: Uint8Array): bigint {
  let bytes = body.length;
  let tokens = 0n;
  for (const media of mediaIn(tryParseJson(body))) {
    bytes -= media.base64.length;
    tokens += tokensOfMedia(media);
  }
  return tokens + tokensOfBytes(Math.max(0, bytes));
}

export function tokensOfMedia({ kind, base64 }: InlineMedia): bigint {
  return BigInt(kind === "image" ? tokensPerImage : tokensOfSound(base64));
}

export interface InlineMedia {
  readonly kind: "image" | "audio";
  readonly base64: string;
}

/**
 * The members that lead to media in the vendors' requests. Others may hold anything that a caller made up, such as the arguments
 * of a tool, which are text to the model whatever they look like.
 */
const steps: ReadonlySet<string> = new Set(
  "messages content contents parts input inputs output toolResult image_url input_audio inlineData inline_data source image audio images".split(" "),
);

function* mediaIn(value: unknown, name = ""): Iterable<InlineMedia> {
  if (Array.isArray(value)) {
    for (const item of value) {
      if (name === "images" && typeof item === "string") yield { kind: "image", base64: item };
      else yield* mediaIn(item, name);
    }
  } else if (isObject(value)) {
    const found = ownMedia(value, name);
    if (found !== undefined) yield found;
    for (const [member, inner] of Object.entries(value)) {
      if (member === "image_url" && typeof inner === "string") yield* mediaIn({ url: inner });
      // As an object it is the arguments of Anthropic's tools.
      else if (steps.has(member) && (member !== "input" || Array.isArray(inner))) yield* mediaIn(inner, member === "source" ? name : member);
    }
  }
}

/** Bytes with their type beside them, or in a `data:` URL; where neither says the type, the member does in which they stand. */
export function ownMedia(value: JsonObject, name: string): InlineMedia | undefined {
  const { url, data, bytes } = value;
  const base64 = [url, data, bytes].find((text) => typeof text === "string");
  if (base64 === undefined || (base64 === url && !url.startsWith("data:"))) return undefined;
  const mediaType = [value["media_type"], value["mimeType"], value["mime_type"], base64.slice("data:".length, 32)].find((type) => typeof type === "string")!;
  if (mediaType.startsWith("image/") || name === "image") return { kind: "image", base64 };
  return mediaType.startsWith("audio/") || name === "input_audio" || name === "audio" ? { kind: "audio", base64 } : undefined;
}

function tokensOfSound(base64: string): number {
  const sound = Buffer.from(base64.slice(base64.indexOf(",") + 1), "base64");
  return Math.ceil((Number(estimateRecordingMs(sound)) * tokensPerSecond) / 1000);
}
