/** Owns the reading of the annotations that Responses have: as in Chat Completions, but flat. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Citation, CitationSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { asCount, asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { responsesDialect } from "./build-input.ts";

/** `url_citation` in its fields, every other kind in the vendor's own JSON. */
export function readAnnotation(annotation: JsonObject): Exclude<MessageInitShape<typeof CitationSchema>, Citation> {
  if (annotation["type"] !== "url_citation") return { native: { dialect: responsesDialect, json: new TextEncoder().encode(JSON.stringify(annotation)) } };
  return { url: asText(annotation["url"]), title: asText(annotation["title"]), startIndex: asCount(annotation["start_index"]), endIndex: asCount(annotation["end_index"]) };
}
