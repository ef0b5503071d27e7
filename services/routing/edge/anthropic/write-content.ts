/** Owns the writing of a reply's parts as content blocks. */
import type { Citation, NativePart, Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { parseArguments } from "../dialect-parts/tool-arguments.ts";
import { nativeDialect } from "./read-content.ts";

/**
 * The block for a part of a reply.
 * A part that Anthropic's replies have no block for (sound, a picture, another vendor's own piece) becomes text that says so:
 * a caller of this dialect cannot ask for one, but a model may send it all the same.
 */
export function writeBlock(part: Part): JsonObject {
  const { kind } = part;
  switch (kind.case) {
    case "text":
      return textBlock(kind.value.text, kind.value.citations);
    case "refusal":
      return textBlock(kind.value.text);
    case "reasoning":
      if (kind.value.redactedData !== "" && kind.value.text === "") return { type: "redacted_thinking", data: kind.value.redactedData };
      return { type: "thinking", thinking: kind.value.text, signature: kind.value.signature };
    case "toolCall":
      return toolUseBlock(kind.value.id, kind.value.name, parseArguments(kind.value));
    case "native":
      return kind.value.dialect === nativeDialect ? parseNative(kind.value) : placeholder(`a piece in the form of "${kind.value.dialect}"`);
    case "audio":
      return kind.value.transcript === undefined ? placeholder("sound") : textBlock(kind.value.transcript);
    default:
      return placeholder(`a part of the kind "${kind.case ?? "unknown"}"`);
  }
}

function textBlock(text: string, citations: readonly Citation[] = []): JsonObject {
  return { type: "text", text, citations: citations.length === 0 ? null : citations.map(writeCitation) };
}

/** A tool call. Who called is always the model itself: calls by a vendor's own tool travel as native parts. */
export function toolUseBlock(id: string, name: string, input: unknown): JsonObject {
  return { type: "tool_use", id, name, input, caller: { type: "direct" } };
}

function placeholder(what: string): JsonObject {
  return textBlock(`[The reply holds ${what}, which this API cannot carry.]`);
}

/** The citation as Anthropic sent it, else the kind of citation that fits what is known. */
export function writeCitation(citation: Citation): JsonObject {
  if (citation.native?.dialect === nativeDialect) return parseNative(citation.native);
  const title = citation.title === "" ? null : citation.title;
  if (citation.documentIndex !== undefined) {
    return {
      type: "char_location",
      cited_text: citation.citedText,
      document_index: citation.documentIndex,
      document_title: title,
      start_char_index: 0,
      end_char_index: 0,
      file_id: null,
    };
  }
  return { type: "web_search_result_location", cited_text: citation.citedText, title, url: citation.url, encrypted_index: "" };
}

function parseNative(native: NativePart): JsonObject {
  return JSON.parse(Buffer.from(native.json).toString("utf8")) as JsonObject;
}
