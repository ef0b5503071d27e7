/** Owns the writing of messages: `system` apart, roles in turn, parts as content blocks. */
import { CacheMarker_Lifetime, ImageDetail, type CacheMarker, type Citation, type Media, type Message, type NativePart, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import { callIdIn, plainCallId } from "../../domain/translation/call-id.ts";
import { sentTypeOf } from "../../domain/media/media-type.ts";
import { originOf } from "../../domain/translation/signature-origin.ts";
import { parseToolArguments } from "../../domain/translation/tool-arguments.ts";
import { writeTurns, type Block, type Conversation } from "../../domain/translation/turns.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";
import type { ModelFacts } from "./model-facts.ts";

/** The name under which Anthropic's own JSON stands in a NativePart. */
export const nativeDialect = "anthropic";

/** The messages in Anthropic's form. Throws UNSUPPORTED_FIELD for what it cannot take. */
export function writeConversation(messages: readonly Message[], { takesLateInstructions }: ModelFacts, warnings: Warnings): Conversation {
  return writeTurns(messages, { write: (part, path) => writePart(part, path, warnings), requireInstruction: requireText, takesLateInstructions }, warnings);
}

/** `cache_control`, for a block or tool that has a marker. */
export function writeCacheMarker(marker: CacheMarker | undefined): Block {
  if (marker === undefined) return {};
  switch (marker.lifetime) {
    case CacheMarker_Lifetime.FIVE_MINUTES:
      return { cache_control: { type: "ephemeral", ttl: "5m" } };
    case CacheMarker_Lifetime.ONE_HOUR:
      return { cache_control: { type: "ephemeral", ttl: "1h" } };
    default:
      return { cache_control: { type: "ephemeral" } };
  }
}

/** One block, or none for a part that has nothing to say. */
function writePart(part: Part, path: string, warnings: Warnings): Block[] {
  const block = writeKind(part.kind, path, warnings);
  return block === undefined ? [] : [{ ...block, ...writeCacheMarker(part.cacheMarker) }];
}

function writeKind(kind: Part["kind"], path: string, warnings: Warnings): Block | undefined {
  switch (kind.case) {
    case "text":
      return writeText(kind.value.text, kind.value.citations, warnings);
    case "refusal":
      return writeText(kind.value.text, [], warnings);
    case "image":
      if (kind.value.detail === ImageDetail.LOW || kind.value.detail === ImageDetail.HIGH) {
        warnings.add("messages[].parts[].image.detail", "the model decides how closely to look.");
      }
      return { type: "image", source: writeImageSource(kind.value.media, path) };
    case "file":
      return {
        type: "document",
        source: writeDocumentSource(kind.value.media, path),
        ...(kind.value.title === undefined && kind.value.filename === undefined ? {} : { title: kind.value.title ?? kind.value.filename }),
        ...(kind.value.context === undefined ? {} : { context: kind.value.context }),
        ...(kind.value.citationsEnabled ? { citations: { enabled: true } } : {}),
      };
    case "audio":
      if (kind.value.transcript === undefined) throw unsupportedField("Anthropic", path, "it takes no sound; send its transcript.");
      warnings.add("messages[].parts[].audio", "the transcript is sent in place of the sound.");
      return writeText(kind.value.transcript, [], warnings);
    // Ids must match ^[a-zA-Z0-9_-]+$, which those of other vendors do not always (Kimi's `functions.read:0`): https://github.com/maximhq/bifrost/issues/5097
    case "toolCall":
      return { type: "tool_use", id: callIdIn(plainCallId, kind.value.id), name: kind.value.name, input: parseToolArguments(kind.value, path) };
    case "toolResult":
      return {
        type: "tool_result",
        tool_use_id: callIdIn(plainCallId, kind.value.toolCallId),
        content: kind.value.parts.flatMap((part, index) => writePart(part, `${path}.parts[${index}]`, warnings)),
        ...(kind.value.isError ? { is_error: true } : {}),
      };
    case "reasoning":
      if (kind.value.redactedData !== "" && kind.value.text === "" && kind.value.signature === "") {
        return { type: "redacted_thinking", data: kind.value.redactedData };
      }
      if (kind.value.signature !== "" && originOf(kind.value.signature) === undefined) return { type: "thinking", thinking: kind.value.text, signature: kind.value.signature };
      warnings.add("messages[].parts[].reasoning", "reasoning without Anthropic's signature would be refused; it is left out.");
      return undefined;
    case "native":
      return parseNative(kind.value, path);
    default:
      throw unsupportedField("Anthropic", path, "the part says nothing.");
  }
}

/** Anthropic refuses empty text, and a message whose text is blank: "text content blocks must contain non-whitespace text". */
function writeText(text: string, citations: readonly Citation[], warnings: Warnings): Block | undefined {
  if (text.trim() === "") {
    if (text !== "") warnings.add("messages[].parts[].text", "text of white space alone is refused there; it is left out.");
    return undefined;
  }
  const written = citations.flatMap((citation) => {
    if (citation.native?.dialect === nativeDialect) return [JSON.parse(Buffer.from(citation.native.json).toString("utf8")) as Block];
    warnings.add("messages[].parts[].text.citations", "only citations that Anthropic made can be sent back; the others are left out.");
    return [];
  });
  return { type: "text", text, ...(written.length === 0 ? {} : { citations: written }) };
}

function writeImageSource(media: Media | undefined, path: string): Block {
  const source = media?.source;
  switch (source?.case) {
    case "data":
      return { type: "base64", media_type: sentTypeOf(source.value, media!.mediaType), data: Buffer.from(source.value).toString("base64") };
    case "url":
      return { type: "url", url: source.value };
    case "fileId":
      return { type: "file", file_id: source.value };
    default:
      throw unsupportedField("Anthropic", path, "the picture has no content.");
  }
}

function writeDocumentSource(media: Media | undefined, path: string): Block {
  const source = media?.source;
  if (source?.case !== "data") return writeImageSource(media, path);
  const mediaType = sentTypeOf(source.value, media!.mediaType);
  if (mediaType.startsWith("text/")) return { type: "text", media_type: "text/plain", data: Buffer.from(source.value).toString("utf8") };
  if (mediaType !== "application/pdf") throw unsupportedField("Anthropic", path, `a document must be PDF or text, not "${mediaType}".`);
  return writeImageSource(media, path);
}

function parseNative(native: NativePart, path: string): Block {
  if (native.dialect !== nativeDialect) throw unsupportedField("Anthropic", path, `the part is in the form of "${native.dialect}".`);
  return JSON.parse(Buffer.from(native.json).toString("utf8")) as Block;
}

function requireText(block: Block, path: string): Block {
  if (block["type"] !== "text") throw unsupportedField("Anthropic", path, "instructions can hold text alone.");
  return block;
}
