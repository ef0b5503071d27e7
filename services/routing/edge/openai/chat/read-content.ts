/** Owns the reading of a message's `content` into parts. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ImageDetail, type Part, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { readCacheMarker } from "./cache-marker.ts";
import { readBase64, readMediaUrl } from "../data-url.ts";
import { nativePart } from "./native-parts.ts";
import type { ObjectReader } from "../object-reader.ts";

export type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;

/** The parts of `content`: a string, a list of parts, or nothing. An empty string is nothing too: some vendors refuse an empty text beside tool calls. */
export function readContent(message: ObjectReader): PartInit[] {
  const content = message.raw("content");
  if (content === undefined || content === "") return [];
  if (typeof content === "string") return [textPart(content)];
  if (!Array.isArray(content)) throw message.fault("content", "must be a string or a list of parts");
  return message.objects("content").map(readPart);
}

export function textPart(text: string): PartInit {
  return { kind: { case: "text", value: { text } } };
}

/** The part of an image in OpenAI's form, in requests and, as some vendors have it, in replies. */
export function readImage(part: ObjectReader): PartInit {
  const image = part.object("image_url");
  const media = readMediaUrl(image.text("url"));
  if (media === undefined) throw image.fault("url", "must be an address, or a data: URL in base64");
  return { kind: { case: "image", value: { media, detail: readImageDetail(image) } } };
}

function readPart(part: ObjectReader): PartInit {
  const read = readKind(part);
  // A native part holds its marker within.
  const cacheMarker = read.kind?.case === "native" ? undefined : readCacheMarker(part);
  return cacheMarker === undefined ? read : { ...read, cacheMarker };
}

function readKind(part: ObjectReader): PartInit {
  switch (part.text("type")) {
    case "text":
      return textPart(part.text("text"));
    case "refusal":
      return { kind: { case: "refusal", value: { text: part.text("refusal") } } };
    case "image_url":
      return readImage(part);
    case "input_audio":
      return readAudio(part.object("input_audio"));
    case "file":
      return readFile(part.object("file"));
    default:
      return nativePart("openai", part.rawMembers());
  }
}

/** How closely the model is to look. A word that types do not know counts as unread. */
export function readImageDetail(image: ObjectReader): ImageDetail {
  switch (image.optionalText("detail")) {
    case undefined:
      return ImageDetail.UNSPECIFIED;
    case "auto":
      return ImageDetail.AUTO;
    case "low":
      return ImageDetail.LOW;
    case "high":
      return ImageDetail.HIGH;
    default:
      image.leaveUnread("detail");
      return ImageDetail.UNSPECIFIED;
  }
}

function readAudio(audio: ObjectReader): PartInit {
  const data = readBase64(audio.text("data"));
  if (data === undefined) throw audio.fault("data", "must be base64");
  const format = audio.text("format");
  const mediaType = format === "mp3" ? "audio/mpeg" : `audio/${format}`;
  return { kind: { case: "audio", value: { media: { source: { case: "data", value: data }, mediaType } } } };
}

function readFile(file: ObjectReader): PartInit {
  const filename = file.optionalText("filename");
  const fileId = file.optionalText("file_id");
  if (fileId !== undefined) return { kind: { case: "file", value: { media: { source: { case: "fileId", value: fileId } }, filename } } };
  const encoded = file.text("file_data");
  const media = encoded.startsWith("data:") ? readMediaUrl(encoded) : bytesOf(encoded);
  if (media === undefined) throw file.fault("file_data", "must be base64, alone or in a data: URL");
  return { kind: { case: "file", value: { media, filename } } };
}

function bytesOf(encoded: string): ReturnType<typeof readMediaUrl> {
  const data = readBase64(encoded);
  return data === undefined ? undefined : { source: { case: "data", value: data } };
}
