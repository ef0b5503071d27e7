/** Owns the reading of content blocks into parts. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  CacheMarker_Lifetime,
  type CacheMarkerSchema,
  type CitationSchema,
  type MediaSchema,
  PartSchema,
  type Part,
} from "#gen/weir/inference/v1/content_pb.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { invalidField, type RequestFields } from "../dialect-parts/request-fields.ts";

/** The name under which Anthropic's own JSON stands in a NativePart. */
export const nativeDialect = "anthropic";

type PartKind = NonNullable<MessageInitShape<typeof PartSchema>["kind"]>;
type MediaInit = MessageInitShape<typeof MediaSchema>;

/** The parts of a member that holds text or a list of blocks; none when it is absent. */
export function readContent(fields: RequestFields, name: string): Part[] {
  const value = fields.take(name);
  if (typeof value === "string") return [create(PartSchema, { kind: { case: "text", value: { text: value } } })];
  return (fields.objects(name) ?? []).map(readBlock);
}

/** The request for caching on a block or tool. */
export function readCacheMarker(fields: RequestFields): MessageInitShape<typeof CacheMarkerSchema> | undefined {
  const control = fields.object("cache_control");
  if (control === undefined) return undefined;
  if (control.requiredText("type") !== "ephemeral") control.noteUnknown("type");
  const lifetime = lifetimes.get(control.text("ttl") ?? "");
  if (lifetime === undefined) control.noteUnknown("ttl");
  control.noteRest();
  return { lifetime: lifetime ?? CacheMarker_Lifetime.UNSPECIFIED };
}

const lifetimes: ReadonlyMap<string, CacheMarker_Lifetime> = new Map([
  ["", CacheMarker_Lifetime.UNSPECIFIED],
  ["5m", CacheMarker_Lifetime.FIVE_MINUTES],
  ["1h", CacheMarker_Lifetime.ONE_HOUR],
]);

/** One block. A block of a kind that types do not know is kept in its own JSON, cache_control included. */
function readBlock(block: RequestFields): Part {
  const kind = readKind(block, block.requiredText("type"));
  if (kind.case === "native") return create(PartSchema, { kind });
  const cacheMarker = readCacheMarker(block);
  block.noteRest();
  return create(PartSchema, { kind, ...definedMembers({ cacheMarker }) });
}

function readKind(block: RequestFields, type: string): PartKind {
  switch (type) {
    case "text":
      return { case: "text", value: { text: block.requiredText("text"), citations: readCitations(block) } };
    case "image":
      return readImage(block);
    case "document":
      return readDocument(block);
    case "tool_use":
      return readToolUse(block);
    case "tool_result":
      return {
        case: "toolResult",
        value: { toolCallId: block.requiredText("tool_use_id"), parts: readContent(block, "content"), isError: block.flag("is_error") ?? false },
      };
    case "thinking":
      return { case: "reasoning", value: { text: block.requiredText("thinking"), signature: block.text("signature") ?? "" } };
    case "redacted_thinking":
      return { case: "reasoning", value: { redactedData: block.requiredText("data") } };
    default:
      return readNative(block);
  }
}

function readNative(block: RequestFields): PartKind {
  return { case: "native", value: { dialect: nativeDialect, json: block.json() } };
}

function readImage(block: RequestFields): PartKind {
  const source = block.requiredObject("source");
  const media = readMedia(source, "");
  if (media === undefined) return readNative(block);
  return { case: "image", value: { media } };
}

function readDocument(block: RequestFields): PartKind {
  const source = block.requiredObject("source");
  const media = readMedia(source, "application/pdf");
  if (media === undefined) return readNative(block);
  const citations = block.object("citations");
  const citationsEnabled = citations?.flag("enabled") ?? false;
  citations?.noteRest();
  return {
    case: "file",
    value: { media, citationsEnabled, ...definedMembers({ title: block.text("title"), context: block.text("context") }) },
  };
}

/** The content or its place; undefined for a source that types do not know (a document of blocks). */
function readMedia(source: RequestFields, urlMediaType: string): MediaInit | undefined {
  const media = mediaOf(source, urlMediaType);
  if (media !== undefined) source.noteRest();
  return media;
}

function mediaOf(source: RequestFields, urlMediaType: string): MediaInit | undefined {
  switch (source.requiredText("type")) {
    case "base64":
      return { source: { case: "data", value: readBase64(source) }, mediaType: source.requiredText("media_type") };
    case "text":
      return { source: { case: "data", value: Buffer.from(source.requiredText("data")) }, mediaType: source.text("media_type") ?? "text/plain" };
    case "url":
      return { source: { case: "url", value: source.requiredText("url") }, mediaType: urlMediaType };
    case "file":
      return { source: { case: "fileId", value: source.requiredText("file_id") } };
    default:
      return undefined;
  }
}

function readBase64(source: RequestFields): Uint8Array {
  const text = source.requiredText("data");
  const bytes = Buffer.from(text, "base64");
  // Node skips what is no base64, so only the length tells that all of it was.
  if (bytes.length !== Math.floor((text.replace(/=+$/, "").length * 3) / 4)) throw invalidField(source.pathOf("data"), "is not valid base64");
  return bytes;
}

function readToolUse(block: RequestFields): PartKind {
  const input = block.take("input") ?? {};
  if (typeof input !== "object" || Array.isArray(input)) throw invalidField(block.pathOf("input"), "must be an object");
  const caller = block.object("caller");
  // The model itself as the caller is what a tool call without one means.
  if (caller !== undefined && caller.text("type") !== "direct") block.noteUnknown("caller");
  return { case: "toolCall", value: { id: block.requiredText("id"), name: block.requiredText("name"), arguments: JSON.stringify(input) } };
}

function readCitations(block: RequestFields): MessageInitShape<typeof CitationSchema>[] {
  return (block.objects("citations") ?? []).map((citation) => ({
    citedText: citation.text("cited_text") ?? "",
    title: citation.text("document_title") ?? citation.text("title") ?? "",
    url: citation.text("url") ?? "",
    ...definedMembers({ documentIndex: citation.number("document_index") }),
    native: { dialect: nativeDialect, json: citation.json() },
  }));
}
