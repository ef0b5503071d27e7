/** Owns media on the way to OpenAI: as base64, in `data:` URLs, or by the vendor's file ids. */
import type { AudioPart, FilePart, ImagePart, Media } from "#gen/weir/inference/v1/content_pb.ts";
import { ImageDetail } from "#gen/weir/inference/v1/content_pb.ts";
import { howToSendBytes } from "../../../domain/media/remote-media.ts";
import type { Warnings } from "../../../domain/translation/warnings.ts";
import type { OpenaiQuirks } from "../compatible/quirks.ts";

/** The content part, or undefined when the vendor cannot take it; that is then noted. */
export function buildImage({ media, detail }: ImagePart, warnings: Warnings): object | undefined {
  const url = media?.source.case === "url" ? media.source.value : dataUrlOf(media);
  if (url === undefined) {
    warnings.add("messages.parts.image.media.file_id", "Chat Completions takes images as bytes or addresses only; the image is left out.");
    return undefined;
  }
  const word = details.get(detail);
  return { type: "image_url", image_url: { url, ...(word === undefined ? {} : { detail: word }) } };
}

const details: ReadonlyMap<ImageDetail, string> = new Map<ImageDetail, string>([
  [ImageDetail.AUTO, "auto"],
  [ImageDetail.LOW, "low"],
  [ImageDetail.HIGH, "high"],
]);

export function buildAudio({ media }: AudioPart, warnings: Warnings, { soundForm }: OpenaiQuirks): object | undefined {
  if (media?.source.case !== "data") {
    warnings.add("messages.parts.audio.media", `Chat Completions takes sound as bytes only; the sound is left out: ${howToSendBytes(media)}`);
    return undefined;
  }
  const data = base64Of(media.source.value);
  return { type: "input_audio", input_audio: soundForm === "data" ? data : { data, format: formatOf(media.mediaType) } };
}

export function buildFile(file: FilePart, warnings: Warnings, { documentPart }: OpenaiQuirks): object | undefined {
  const { media, filename, title, context, citationsEnabled } = file;
  if (title !== undefined) warnings.add("messages.parts.file.title", "The vendor takes no titles; it is left out.");
  if (context !== undefined) warnings.add("messages.parts.file.context", "The vendor takes no context for a document; it is left out.");
  if (citationsEnabled) warnings.add("messages.parts.file.citations_enabled", "The vendor does not cite documents.");
  if (documentPart === "document_url") return buildDocumentUrl(file);
  if (media?.source.case === "fileId") return { type: "file", file: { file_id: media.source.value, ...(filename === undefined ? {} : { filename }) } };
  const data = media?.mediaType === "" && media.source.case === "data" ? base64Of(media.source.value) : dataUrlOf(media);
  if (data === undefined) {
    warnings.add("messages.parts.file.media.url", `Chat Completions takes documents as bytes or file ids only; the document is left out: ${howToSendBytes(media)}`);
    return undefined;
  }
  // The vendor refuses a document without a name.
  return { type: "file", file: { file_data: data, filename: filename ?? "document" } };
}

/** Source: DocumentURLChunk and FileChunk in https://github.com/mistralai/client-python. */
function buildDocumentUrl({ media, filename }: FilePart): object {
  if (media?.source.case === "fileId") return { type: "file", file_id: media.source.value };
  const url = media?.source.case === "url" ? media.source.value : dataUrlOf(media);
  return { type: "document_url", document_url: url, ...(filename === undefined ? {} : { document_name: filename }) };
}

export function dataUrlOf(media: Media | undefined): string | undefined {
  return media?.source.case === "data" ? `data:${media.mediaType};base64,${base64Of(media.source.value)}` : undefined;
}

function formatOf(mediaType: string): string {
  return mediaType === "audio/mpeg" ? "mp3" : mediaType.replace(/^audio\/(x-)?/, "");
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
