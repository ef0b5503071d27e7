/** Owns the reading of a reply's content blocks into parts. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { PartSchema, type CitationSchema, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { nativeDialect } from "./write-content.ts";

/** The part for a block. A block types do not know (a tool of the vendor's own and its results) is kept in its own JSON. */
export function readBlock(block: Block): Part {
  if (typeof block["text"] === "string") return create(PartSchema, { kind: { case: "text", value: { text: block["text"] } } });
  const [kind, value] = Object.entries(block)[0] ?? ["", {}];
  const content = objectOf(value);
  switch (kind) {
    case "citationsContent": {
      const text = listOf(content["content"]).map((piece) => textOf(piece["text"])).join("");
      return create(PartSchema, { kind: { case: "text", value: { text, citations: listOf(content["citations"]).map(readCitation) } } });
    }
    case "reasoningContent":
      return readReasoning(content);
    case "image":
      return create(PartSchema, { kind: { case: "image", value: { media: readMedia(content, "image") } } });
    case "audio":
      return create(PartSchema, { kind: { case: "audio", value: { media: readMedia(content, "audio") } } });
    case "toolUse":
      return isOwnTool(content)
        ? readNative(block)
        : create(PartSchema, { kind: { case: "toolCall", value: { id: textOf(content["toolUseId"]), name: textOf(content["name"]), arguments: JSON.stringify(content["input"] ?? {}) } } });
    default:
      return readNative(block);
  }
}

/** True of a call that Bedrock answers itself: the caller has no such tool. */
export function isOwnTool(toolUse: Block): boolean {
  return toolUse["type"] === "server_tool_use";
}

/** Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html and …/API_runtime_CitationLocation.html */
export function readCitation(citation: Block): MessageInitShape<typeof CitationSchema> {
  const location = objectOf(citation["location"]);
  const documentIndex = Object.values(location).map((place) => objectOf(place)["documentIndex"]).find((index) => typeof index === "number");
  return {
    citedText: listOf(citation["sourceContent"]).map((piece) => textOf(piece["text"])).join(""),
    title: textOf(citation["title"]),
    url: textOf(objectOf(location["web"])["url"]),
    ...(typeof documentIndex === "number" ? { documentIndex } : {}),
    native: { dialect: nativeDialect, json: Buffer.from(JSON.stringify(citation)) },
  };
}

/** Text, or none for anything else. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The object, or an empty one for anything else. */
export function objectOf(value: unknown): Block {
  return typeof value === "object" && value !== null ? (value as Block) : {};
}

/** The objects of a list; none for anything else. */
export function listOf(value: unknown): readonly Block[] {
  return Array.isArray(value) ? value.filter((item): item is Block => typeof item === "object" && item !== null) : [];
}

function readReasoning(content: Block): Part {
  const { text, signature } = objectOf(content["reasoningText"]);
  return create(PartSchema, { kind: { case: "reasoning", value: { text: textOf(text), signature: textOf(signature), redactedData: textOf(content["redactedContent"]) } } });
}

function readMedia(content: Block, kind: string): { readonly source: { readonly case: "data"; readonly value: Buffer<ArrayBuffer> }; readonly mediaType: string } {
  return { source: { case: "data", value: Buffer.from(textOf(objectOf(content["source"])["bytes"]), "base64") }, mediaType: `${kind}/${textOf(content["format"])}` };
}

function readNative(block: Block): Part {
  return create(PartSchema, { kind: { case: "native", value: { dialect: nativeDialect, json: Buffer.from(JSON.stringify(block)) } } });
}
