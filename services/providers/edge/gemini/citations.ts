/** Owns where a reply's text is from: grounding in what was searched, and passages that were recited. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Citation, CitationSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { asCount, asObject, asObjects, asText, isObject, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { nativeDialect } from "./reply-json.ts";

export type CitationInit = Exclude<MessageInitShape<typeof CitationSchema>, Citation>;

/**
 * The citations of a candidate for this text. Gemini counts in UTF-8 bytes, types in UTF-16 code units; the words that Gemini
 * gives with a place are looked for where the place does not fit, and a place that cannot be found is left out.
 */
export function readCitations(grounding: JsonObject, recited: readonly JsonObject[], text: string): CitationInit[] {
  const bytes = Buffer.from(text);
  return [...readGrounding(grounding, text, bytes), ...recited.map((citation) => readRecited(citation, bytes))];
}

/** How many searches a candidate's reply took. */
export function countSearches(grounding: JsonObject): number {
  const queries = grounding["webSearchQueries"];
  return Array.isArray(queries) ? queries.filter((query) => typeof query === "string" && query !== "").length : 0;
}

function readGrounding(grounding: JsonObject, text: string, bytes: Buffer): CitationInit[] {
  const chunks = asObjects(grounding["groundingChunks"]);
  const supports = asObjects(grounding["groundingSupports"]);
  const cited = supports.flatMap((support) => {
    const segment = asObject(support["segment"]);
    const indices = Array.isArray(support["groundingChunkIndices"]) ? support["groundingChunkIndices"] : [];
    return indices.flatMap((index) => {
      const chunk = chunks[asCount(index) ?? -1];
      return chunk === undefined ? [] : [{ ...sourceOf(chunk), ...placeOf(segment, text, bytes), native: nativeOf({ groundingChunk: chunk, segment }) }];
    });
  });
  // Sources that support nothing in particular are sources all the same.
  return cited.length > 0 ? cited : chunks.map((chunk) => ({ ...sourceOf(chunk), native: nativeOf({ groundingChunk: chunk }) }));
}

/** A web page, a document that was retrieved, a place on the map or a picture. */
function sourceOf(chunk: JsonObject): CitationInit {
  const source = asObject(Object.values(chunk).find(isObject));
  return { url: asText(source["uri"]), title: asText(source["title"]), citedText: asText(source["text"]) };
}

function readRecited(citation: JsonObject, bytes: Buffer): CitationInit {
  return {
    url: asText(citation["uri"]),
    title: asText(citation["title"]),
    ...rangeOf(bytes, asCount(citation["startIndex"]) ?? 0, asCount(citation["endIndex"])),
    native: nativeOf(citation),
  };
}

function placeOf(segment: JsonObject, text: string, bytes: Buffer): CitationInit {
  const words = asText(segment["text"]);
  const range = rangeOf(bytes, asCount(segment["startIndex"]) ?? 0, asCount(segment["endIndex"]));
  if (words === "" || (range.startIndex !== undefined && text.slice(range.startIndex, range.endIndex) === words)) return range;
  const startIndex = text.indexOf(words);
  return startIndex < 0 ? {} : { startIndex, endIndex: startIndex + words.length };
}

function rangeOf(bytes: Buffer, start: number, end: number | undefined): CitationInit {
  if (end === undefined || end > bytes.length || start > end) return {};
  const startIndex = bytes.toString("utf8", 0, start).length;
  return { startIndex, endIndex: startIndex + bytes.toString("utf8", start, end).length };
}

function nativeOf(json: JsonObject): { readonly dialect: string; readonly json: Uint8Array<ArrayBuffer> } {
  return { dialect: nativeDialect, json: new Uint8Array(Buffer.from(JSON.stringify(json))) };
}
