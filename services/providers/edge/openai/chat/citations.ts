/** Owns the reading of a message's `annotations`. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Citation, CitationSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { asCount, asObject, asObjects, asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";

type CitationInit = Exclude<MessageInitShape<typeof CitationSchema>, Citation>;

/** `url_citation` in its fields, every other kind in the vendor's own JSON. */
export function readCitations(message: JsonObject): CitationInit[] {
  return asObjects(message["annotations"]).map((annotation) => {
    if (annotation["type"] !== "url_citation") return { native: { dialect: "openai", json: new TextEncoder().encode(JSON.stringify(annotation)) } };
    const citation = asObject(annotation["url_citation"]);
    return {
      url: asText(citation["url"]),
      title: asText(citation["title"]),
      startIndex: asCount(citation["start_index"]),
      endIndex: asCount(citation["end_index"]),
    };
  });
}
