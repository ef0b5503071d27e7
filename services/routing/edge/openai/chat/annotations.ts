/** Owns citations in this dialect: OpenAI's `url_citation`, and `document_citation` for sources that have no address. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Citation, CitationSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { ObjectReader } from "../object-reader.ts";

/**
 * The citation as an annotation.
 * @param offset where the citation's text begins in the message's `content`
 * @param length how long that text is; the range when the citation names none
 */
export function writeAnnotation(citation: Citation, offset: number, length: number): object {
  const range = { start_index: offset + (citation.startIndex ?? 0), end_index: offset + (citation.endIndex ?? length) };
  if (citation.url !== "") {
    return { type: "url_citation", url_citation: { ...range, title: citation.title, url: citation.url } };
  }
  const { citedText, title, documentIndex } = citation;
  return { type: "document_citation", document_citation: { ...range, title, cited_text: citedText, document_index: documentIndex ?? null } };
}

/** The citations that an assistant's message brings back; their indexes count in the whole `content`. */
export function readAnnotations(message: ObjectReader): MessageInitShape<typeof CitationSchema>[] {
  return message.objects("annotations").flatMap((annotation) => {
    const type = annotation.optionalText("type");
    const source = type === "url_citation" || type === "document_citation" ? annotation.optionalObject(type) : undefined;
    if (source === undefined) return [];
    return [
      {
        citedText: source.optionalText("cited_text") ?? "",
        title: source.optionalText("title") ?? "",
        url: source.optionalText("url") ?? "",
        documentIndex: source.optionalInt32("document_index"),
        startIndex: source.optionalInt32("start_index"),
        endIndex: source.optionalInt32("end_index"),
      },
    ];
  });
}
