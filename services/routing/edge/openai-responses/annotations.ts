/** Owns citations in this dialect: `url_citation`, and `document_citation` (as in the dialect `openai`) for sources without an address. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Citation, CitationSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import type { ObjectReader } from "../openai/object-reader.ts";

/** The citation as an annotation of its own `output_text`, which is `length` UTF-16 code units long so far. */
export function writeAnnotation({ url, title, citedText, documentIndex, startIndex, endIndex }: Citation, length: number): JsonObject {
  const range = { start_index: startIndex ?? 0, end_index: endIndex ?? length };
  if (url !== "") return { type: "url_citation", ...range, title, url };
  return { type: "document_citation", ...range, title, cited_text: citedText, document_index: documentIndex ?? null };
}

/** The citations that an `output_text` brings back; other annotations point into files of the vendor, and count as unread. */
export function readAnnotations(part: ObjectReader): MessageInitShape<typeof CitationSchema>[] {
  return part.objects("annotations").flatMap((annotation) => {
    const type = annotation.optionalText("type");
    if (type !== "url_citation" && type !== "document_citation") return [];
    return [
      {
        citedText: annotation.optionalText("cited_text") ?? "",
        title: annotation.optionalText("title") ?? "",
        url: annotation.optionalText("url") ?? "",
        documentIndex: annotation.optionalInt32("document_index"),
        startIndex: annotation.optionalInt32("start_index"),
        endIndex: annotation.optionalInt32("end_index"),
      },
    ];
  });
}
