/** Owns the reading of content, of messages as well as of tools' outputs, into parts. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MediaSchema, Part, PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { readCacheMarker } from "../openai/chat/cache-marker.ts";
import { readBase64, readMediaUrl } from "../openai/data-url.ts";
import type { ObjectReader } from "../openai/object-reader.ts";
import { readImageDetail } from "../openai/chat/read-content.ts";
import { readAnnotations } from "./annotations.ts";

export type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;
type MediaInit = MessageInitShape<typeof MediaSchema>;

/** The parts of a member that is a string or a list of parts. An empty string is nothing: some vendors refuse an empty text. */
export function readContent(item: ObjectReader, name: "content" | "output"): PartInit[] {
  const content = item.raw(name);
  if (content === undefined) throw item.fault(name, "is missing; it must be a string or a list of parts");
  if (content === "") return [];
  if (typeof content === "string") return [textPart(content)];
  if (!Array.isArray(content)) throw item.fault(name, "must be a string or a list of parts");
  return item.objects(name).map(readPart);
}

export function textPart(text: string): PartInit {
  return { kind: { case: "text", value: { text } } };
}

function readPart(part: ObjectReader): PartInit {
  const read = readKind(part);
  const cacheMarker = readCacheMarker(part);
  return cacheMarker === undefined ? read : { ...read, cacheMarker };
}

function readKind(part: ObjectReader): PartInit {
  switch (part.text("type")) {
    case "input_text":
      return textPart(part.text("text"));
    case "output_text":
      // Probabilities come back only because clients send back what they got.
      part.raw("logprobs");
      return { kind: { case: "text", value: { text: part.text("text"), citations: readAnnotations(part) } } };
    case "refusal":
      return { kind: { case: "refusal", value: { text: part.text("refusal") } } };
    case "input_image":
      return readImage(part);
    case "input_file":
      return readFile(part);
    case "input_audio":
      return readAudio(part.object("input_audio"));
    default:
      throw part.untranslatable("type", "must be input_text, input_image, input_file, input_audio, output_text or refusal to be translated for this target");
  }
}

function readImage(part: ObjectReader): PartInit {
  const fileId = part.optionalText("file_id");
  const url = fileId === undefined ? part.text("image_url") : part.optionalText("image_url");
  const media = url === undefined ? fileMedia(fileId!) : readMediaUrl(url);
  if (media === undefined) throw part.fault("image_url", "must be an address, or a data: URL in base64");
  return { kind: { case: "image", value: { media, detail: readImageDetail(part) } } };
}

function readFile(part: ObjectReader): PartInit {
  return { kind: { case: "file", value: { media: readFileMedia(part), filename: part.optionalText("filename") } } };
}

function readFileMedia(part: ObjectReader): MediaInit {
  const fileId = part.optionalText("file_id");
  if (fileId !== undefined) return fileMedia(fileId);
  const url = part.optionalText("file_url");
  if (url !== undefined) return { source: { case: "url", value: url } };
  const encoded = part.text("file_data");
  const media = encoded.startsWith("data:") ? readMediaUrl(encoded) : bytesMedia(encoded);
  if (media === undefined) throw part.fault("file_data", "must be base64, alone or in a data: URL");
  return media;
}

function readAudio(audio: ObjectReader): PartInit {
  const media = bytesMedia(audio.text("data"));
  if (media === undefined) throw audio.fault("data", "must be base64");
  const format = audio.text("format");
  return { kind: { case: "audio", value: { media: { ...media, mediaType: format === "mp3" ? "audio/mpeg" : `audio/${format}` } } } };
}

function fileMedia(fileId: string): MediaInit {
  return { source: { case: "fileId", value: fileId } };
}

function bytesMedia(encoded: string): { source: { case: "data"; value: Uint8Array<ArrayBuffer> } } | undefined {
  const data = readBase64(encoded);
  return data === undefined ? undefined : { source: { case: "data", value: data } };
}
