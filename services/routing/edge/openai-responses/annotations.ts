/** Owns citations in this dialect: `url_citation`, and `file_citation` for sources without an address, with what types know beside it. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Citation, CitationSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import type { ObjectReader } from "../openai/object-reader.ts";

/** The citation as an annotation of its own `output_text`, which is `length` UTF-16 code units long so far. */
export function writeAnnotation({ url, title, citedText, documentIndex, startIndex, endIndex }: Citation, length: number): JsonObject {
  const range = { start_index: startIndex ?? 0, end_index: endIndex ?? length };
  if (url !== "") return { type: "url_citation", ...range, title, url };
  // Clients refuse annotations of other kinds; the source is a document of the request, which has no id.
  return { type: "file_citation", file_id: "", filename: title, index: range.start_index, ...range, cited_text: citedText, document_index: documentIndex ?? null };
}

/** The citations that an `output_text` brings back; other annotations point into files of the vendor, and count as unread. */
export function readAnnotations(part: ObjectReader): MessageInitShape<typeof CitationSchema>[] {
  return part.objects("annotations").flatMap((annotation) => {
    const type = annotation.optionalText("type");
    if (type !== "url_citation" && !(type === "file_citation" && annotation.has("cited_text"))) return [];
    if (type === "file_citation") for (const name of ["file_id", "index"]) annotation.raw(name);
    return [
      {
        citedText: annotation.optionalText("cited_text") ?? "",
        title: annotation.optionalText(type === "file_citation" ? "filename" : "title") ?? "",
        url: annotation.optionalText("url") ?? "",
        documentIndex: annotation.optionalInt32("document_index"),
        startIndex: annotation.optionalInt32("start_index"),
        endIndex: annotation.optionalInt32("end_index"),
      },
    ];
  });
}
