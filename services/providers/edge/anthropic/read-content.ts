/** Owns the reading of a reply's content blocks into parts. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type CitationSchema, PartSchema, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { nativeDialect } from "./write-content.ts";

/** The part for a block. A block types do not know (a vendor's own tool and its results) is kept in its own JSON. */
export function readBlock(block: Block): Part {
  switch (block["type"]) {
    case "text":
      return create(PartSchema, { kind: { case: "text", value: { text: textOf(block["text"]), citations: listOf(block["citations"]).map(readCitation) } } });
    case "thinking":
      return create(PartSchema, { kind: { case: "reasoning", value: { text: textOf(block["thinking"]), signature: textOf(block["signature"]) } } });
    case "redacted_thinking":
      return create(PartSchema, { kind: { case: "reasoning", value: { redactedData: textOf(block["data"]) } } });
    case "tool_use":
      return create(PartSchema, {
        kind: { case: "toolCall", value: { id: textOf(block["id"]), name: textOf(block["name"]), arguments: JSON.stringify(block["input"] ?? {}) } },
      });
    default:
      return create(PartSchema, { kind: { case: "native", value: { dialect: nativeDialect, json: Buffer.from(JSON.stringify(block)) } } });
  }
}

/** A citation, with what types have no field for in its own JSON. */
export function readCitation(citation: Block): MessageInitShape<typeof CitationSchema> {
  const documentIndex = citation["document_index"];
  return {
    citedText: textOf(citation["cited_text"]),
    title: textOf(citation["document_title"] ?? citation["title"]),
    url: textOf(citation["url"]),
    ...(typeof documentIndex === "number" ? { documentIndex } : {}),
    native: { dialect: nativeDialect, json: Buffer.from(JSON.stringify(citation)) },
  };
}

/** Text, or none for anything else. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The objects of a list; none for anything else. */
export function listOf(value: unknown): readonly Block[] {
  return Array.isArray(value) ? value.filter((item): item is Block => typeof item === "object" && item !== null) : [];
}
