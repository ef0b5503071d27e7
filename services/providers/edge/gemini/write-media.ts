/** Owns media on the way to Gemini: as base64, by an address, or by the vendor's own files. */
import type { Media } from "#gen/weir/inference/v1/content_pb.ts";
import { sentTypeOf } from "../../domain/media/media-type.ts";
import type { JsonObject } from "../../domain/translation/vendor-json.ts";
import { unsupportedField } from "../../domain/translation/warnings.ts";

/** Where the files are that were uploaded to Gemini; their address, and not their name, stands in a request. */
const filesUrl = "https://generativelanguage.googleapis.com/v1beta/";

/** `inlineData` or `fileData`. Throws UNSUPPORTED_FIELD for bytes of which neither the caller nor they themselves say what they are. */
export function writeMedia(media: Media | undefined, path: string): JsonObject {
  const source = media?.source;
  switch (source?.case) {
    case "data": {
      const mimeType = sentTypeOf(source.value, media!.mediaType);
      if (mimeType === "") throw unsupportedField("Gemini", path, "it needs the media type of the bytes.");
      return { inlineData: { mimeType, data: base64Of(source.value) } };
    }
    case "url":
      return { fileData: { ...mimeTypeOf(media!.mediaType, source.value), fileUri: source.value } };
    case "fileId":
      return { fileData: { ...mimeTypeOf(media!.mediaType, ""), fileUri: fileUriOf(source.value) } };
    default:
      throw unsupportedField("Gemini", path, "it has no content.");
  }
}

function fileUriOf(id: string): string {
  if (/^[a-z]+:\/\//.test(id)) return id;
  return filesUrl + (id.startsWith("files/") ? id : `files/${id}`);
}

/** What is not said is taken from the ending of the address; else Gemini finds out by itself, or asks for it. */
function mimeTypeOf(mediaType: string, url: string): { mimeType?: string } {
  const [, ending = ""] = /\.([a-z0-9]{2,4})(?:[?#].*)?$/i.exec(url) ?? [];
  const mimeType = mediaType === "" ? types.get(ending.toLowerCase()) : mediaType;
  return mimeType === undefined ? {} : { mimeType };
}

/** Source: the types that https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/gemini/3-6-flash lists. */
const types: ReadonlyMap<string, string> = new Map([
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["webp", "image/webp"],
  ["heic", "image/heic"],
  ["heif", "image/heif"],
  ["pdf", "application/pdf"],
  ["txt", "text/plain"],
  ["mp3", "audio/mpeg"],
  ["wav", "audio/wav"],
  ["mp4", "video/mp4"],
  ["webm", "video/webm"],
]);

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
