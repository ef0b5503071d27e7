/** Owns the reading of citations, which say where in the reply they belong and which sources they name. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Citation, CitationSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { asCount, asObject, asObjects, asText, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { documentIndexOf, nativeDialect } from "./write-messages.ts";

type CitationInit = Exclude<MessageInitShape<typeof CitationSchema>, Citation>;

/** What of the reply a citation speaks of. */
export type CitedPiece = "text" | "plan" | "thinking";

export function citedPieceOf(citation: JsonObject): CitedPiece {
  if (citation["type"] === "PLAN") return "plan";
  return citation["type"] === "THINKING_CONTENT" ? "thinking" : "text";
}

/**
 * The citation of a text.
 * @param text what it belongs to, as far as it is known; undefined when it speaks of something else, and its place says nothing there
 */
export function readCitation(citation: JsonObject, text: string | undefined): CitationInit {
  const [source] = asObjects(citation["sources"]);
  const document = asObject(source?.["document"]);
  const citedText = asText(citation["text"]);
  const documentIndex = documentIndexOf(asText(source?.["id"]));
  return {
    citedText,
    title: asText(document["title"]),
    url: asText(document["url"]),
    ...(documentIndex === undefined ? {} : { documentIndex }),
    ...(text === undefined ? {} : placeIn(text, asCount(citation["start"]), asCount(citation["end"]), citedText)),
    native: { dialect: nativeDialect, json: new TextEncoder().encode(JSON.stringify(citation)) },
  };
}

/** Cohere does not say what its places count; they are code units where the cited words stand there, else code points. */
function placeIn(text: string, start: number | undefined, end: number | undefined, citedText: string): { readonly startIndex?: number; readonly endIndex?: number } {
  if (start === undefined || end === undefined) return {};
  if (text.slice(start, end) === citedText) return { startIndex: start, endIndex: end };
  const points = Array.from(text);
  const startIndex = points.slice(0, start).join("").length;
  return { startIndex, endIndex: startIndex + points.slice(start, end).join("").length };
}
