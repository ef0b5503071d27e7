/** Owns the writing of a reply's parts. */
import type { AudioPart, FilePart, ImagePart, Media, Part, ToolCallPart, ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { writeBase64 } from "../dialect-parts/base64.ts";
import { parseArguments } from "../dialect-parts/tool-arguments.ts";
import { keptNative, keptReasoning } from "./kept-part.ts";
import { nativeDialect } from "./read-parts.ts";
import { writeSignature } from "./thought-signature.ts";

/** The parts in Gemini's form, one for each but that a signature without a text stands on the part behind it. */
export function writeParts(parts: readonly Part[]): JsonObject[] {
  const written: JsonObject[] = [];
  let signature = "";
  for (const part of parts) {
    if (isSignatureAlone(part)) {
      if (signature !== "") written.push(writeThought("", signature));
      signature = part.kind.value.signature;
      continue;
    }
    written.push(signed(writePart(part), signature));
    signature = "";
  }
  return signature === "" ? written : [...written, writeThought("", signature)];
}

/** Reasoning of which there is nothing but its signature. */
function isSignatureAlone(part: Part): part is Part & { kind: { case: "reasoning" } } {
  const { kind } = part;
  return kind.case === "reasoning" && kind.value.text === "" && kind.value.redactedData === "" && kind.value.signature !== "";
}

/** A call bears one in any case: Google's later models refuse a call without. */
export function signed(part: JsonObject, signature: string): JsonObject {
  // A thought's own signature is not to be written over.
  if (part["thoughtSignature"] !== undefined || (signature === "" && part["functionCall"] === undefined)) return part;
  return { ...part, thoughtSignature: writeSignature(signature) };
}

export function writeThought(text: string, signature: string): JsonObject {
  return { text, thought: true, ...(signature === "" ? {} : { thoughtSignature: writeSignature(signature) }) };
}

export function writePart({ kind }: Part): JsonObject {
  switch (kind.case) {
    case "text":
    case "refusal":
      return { text: kind.value.text };
    case "reasoning":
      return kind.value.redactedData === "" ? writeThought(kind.value.text, kind.value.signature) : keptReasoning(kind.value.redactedData);
    case "toolCall":
      return writeFunctionCall(kind.value);
    case "image":
    case "file":
      return writeMediaPart(kind.value);
    case "audio":
      return writeAudio(kind.value);
    case "native":
      return kind.value.dialect === nativeDialect ? (JSON.parse(Buffer.from(kind.value.json).toString()) as JsonObject) : keptNative(kind.value);
    case "toolResult":
      return writeFunctionResponse(kind.value);
    default:
      return { text: "" };
  }
}

export function writeFunctionCall(call: Pick<ToolCallPart, "id" | "name" | "arguments" | "custom">): JsonObject {
  const { id, name } = call;
  return { functionCall: { ...(id === "" ? {} : { id }), name, args: parseArguments(call) } };
}

function writeMediaPart(part: ImagePart | FilePart): JsonObject {
  const displayName = "filename" in part ? part.filename : undefined;
  return part.media === undefined ? { text: "" } : writeMedia(part.media, displayName);
}

function writeAudio({ media, transcript }: AudioPart): JsonObject {
  const sound = media === undefined ? {} : writeMedia(media, undefined);
  return { ...sound, ...(transcript === undefined ? {} : writeTranscript(transcript)) };
}

export function writeTranscript(text: string): JsonObject {
  return { audioTranscription: { text } };
}

export function writeMedia({ source, mediaType }: Pick<Media, "source" | "mediaType">, displayName: string | undefined): JsonObject {
  const named = displayName === undefined ? {} : { displayName };
  if (source.case === "data") return { inlineData: { mimeType: mediaType, data: writeBase64(source.value), ...named } };
  return { fileData: { ...(mediaType === "" ? {} : { mimeType: mediaType }), fileUri: source.value ?? "", ...named } };
}

/** A result that a vendor's own tool brought. */
function writeFunctionResponse({ toolCallId, parts, isError }: ToolResultPart): JsonObject {
  const text = parts.map(({ kind }) => (kind.case === "text" ? kind.value.text : "")).join("");
  const media = parts.filter(({ kind }) => kind.case !== "text").map(writePart);
  return { functionResponse: { id: toolCallId, name: toolCallId, response: { [isError ? "error" : "output"]: text }, ...(media.length === 0 ? {} : { parts: media }) } };
}
