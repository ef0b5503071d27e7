/** Owns the writing of pictures, sounds, documents and videos. */
import { ImageDetail, type AudioPart, type FilePart, type ImagePart, type Media } from "#gen/weir/inference/v1/content_pb.ts";
import { sentTypeOf } from "../../domain/media/media-type.ts";
import { howToSendBytes } from "../../domain/media/remote-media.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";
import type { Block } from "../../domain/translation/turns.ts";

export function writeImage({ media, detail }: ImagePart, path: string, warnings: Warnings): Block {
  if (detail === ImageDetail.LOW || detail === ImageDetail.HIGH) warnings.add("messages[].parts[].image.detail", "the model decides how closely to look.");
  const source = writeSource(media, path);
  return { image: { format: requireFormat(imageFormats, media, path, "a picture"), source } };
}

/** Undefined for a sound of which nothing but an empty transcript is there. */
export function writeAudio({ media, transcript }: AudioPart, path: string, warnings: Warnings): Block | undefined {
  if (media?.source.case === "data") return { audio: { format: requireFormat(audioFormats, media, path, "a sound"), source: writeSource(media, path) } };
  if (transcript === undefined) throw unsupportedField("Bedrock", path, `it takes sounds as bytes alone; send the transcript, or ${howToSendBytes(media)}`);
  warnings.add("messages[].parts[].audio", "the transcript is sent in place of the sound.");
  return transcript === "" ? undefined : { text: transcript };
}

/** A document, or a video, which types have no part of its own for. */
export function writeFile(file: FilePart, path: string, names: DocumentNames, warnings: Warnings): Block {
  const { media, context, citationsEnabled } = file;
  const source = writeSource(media, path);
  const videoFormat = videoFormats.get(media!.mediaType);
  if (videoFormat !== undefined) return { video: { format: videoFormat, source } };
  const format = documentFormatOf(file);
  if (format === undefined) throw unsupportedField("Bedrock", path, `a document must be one of ${[...documentExtensions].join(", ")}, not "${media!.mediaType}".`);
  return {
    document: {
      format,
      name: names.take(file, format, warnings),
      source,
      ...(context === undefined ? {} : { context }),
      ...(citationsEnabled ? { citations: { enabled: true } } : {}),
    },
  };
}

/**
 * The names of one request's documents. Bedrock wants one for each and takes few characters in it; two of one name it refuses.
 * Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
 */
export class DocumentNames {
  readonly #taken = new Set<string>();

  take({ title, filename }: FilePart, format: string, warnings: Warnings): string {
    // The extension says no more than the format does.
    const given = title ?? (filename?.endsWith(`.${format}`) === true ? filename.slice(0, -format.length - 1) : filename);
    const allowed = (given ?? "").replace(/[^A-Za-z0-9\s\-()[\]]+/g, "-").replace(/\s+/g, " ").trim().slice(0, maximumNameLength);
    const base = allowed === "" ? "document" : allowed;
    let name = base;
    for (let copy = 2; this.#taken.has(name); copy++) name = `${base} (${copy})`;
    this.#taken.add(name);
    if (given !== undefined && name !== given) warnings.add("messages[].parts[].file.filename", `names hold letters, digits, spaces, "-", "()" and "[]" alone, each name once; it is sent as "${name}".`);
    return name;
  }
}

/** Leaves room for a number, within the 200 that are allowed. */
const maximumNameLength = 190;

function writeSource(media: Media | undefined, path: string): Block {
  const source = media?.source;
  switch (source?.case) {
    case "data":
      return { bytes: Buffer.from(source.value).toString("base64") };
    case "url":
      // Bedrock would read a bucket with the gateway's rights, not with the caller's.
      if (source.value.startsWith("s3:")) throw unsupportedField("Bedrock", path, "a place in S3 would be read with the gateway's own rights; send the bytes.");
      throw unsupportedField("Bedrock", path, `it takes media as bytes alone; ${howToSendBytes(media)}`);
    case "fileId":
      throw unsupportedField("Bedrock", path, "it keeps no files; send the bytes.");
    default:
      throw unsupportedField("Bedrock", path, "there is no content.");
  }
}

function requireFormat(formats: ReadonlyMap<string, string>, media: Media | undefined, path: string, what: string): string {
  const mediaType = typeOf(media);
  const format = formats.get(mediaType);
  if (format !== undefined) return format;
  throw unsupportedField("Bedrock", path, `${what} must be one of ${[...new Set(formats.values())].join(", ")}, not "${mediaType}".`);
}

function typeOf(media: Media | undefined): string {
  const said = media?.mediaType ?? "";
  return media?.source.case === "data" ? sentTypeOf(media.source.value, said) : said;
}

/** By the media type, and where that says nothing by the file's extension; any other text is plain text. */
function documentFormatOf({ media, filename }: FilePart): string | undefined {
  const mediaType = typeOf(media);
  const known = documentFormats.get(mediaType);
  if (known !== undefined) return known;
  const extension = filename?.split(".").at(-1)?.toLowerCase() ?? "";
  if (documentExtensions.has(extension)) return extension;
  return mediaType.startsWith("text/") ? "txt" : undefined;
}

/** The formats are those of ImageFormat, AudioFormat, VideoFormat and DocumentFormat in https://github.com/aws/aws-sdk-js-v3/blob/main/clients/client-bedrock-runtime/src/models/enums.ts */
const imageFormats: ReadonlyMap<string, string> = new Map([
  ["image/png", "png"],
  ["image/jpeg", "jpeg"],
  ["image/gif", "gif"],
  ["image/webp", "webp"],
]);

const audioFormats: ReadonlyMap<string, string> = new Map([
  ["audio/mpeg", "mp3"],
  ["audio/mp3", "mp3"],
  ["audio/wav", "wav"],
  ["audio/x-wav", "wav"],
  ["audio/wave", "wav"],
  ["audio/flac", "flac"],
  ["audio/aac", "aac"],
  ["audio/ogg", "ogg"],
  ["audio/opus", "opus"],
  ["audio/mp4", "mp4"],
  ["audio/m4a", "m4a"],
  ["audio/x-m4a", "m4a"],
  ["audio/webm", "webm"],
  ["audio/pcm", "pcm"],
  ["audio/x-matroska", "mka"],
]);

const videoFormats: ReadonlyMap<string, string> = new Map([
  ["video/mp4", "mp4"],
  ["video/quicktime", "mov"],
  ["video/x-matroska", "mkv"],
  ["video/webm", "webm"],
  ["video/x-flv", "flv"],
  ["video/mpeg", "mpeg"],
  ["video/x-ms-wmv", "wmv"],
  ["video/3gpp", "three_gp"],
]);

const documentFormats: ReadonlyMap<string, string> = new Map([
  ["application/pdf", "pdf"],
  ["text/csv", "csv"],
  ["application/msword", "doc"],
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"],
  ["application/vnd.ms-excel", "xls"],
  ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"],
  ["text/html", "html"],
  ["text/markdown", "md"],
]);

const documentExtensions: ReadonlySet<string> = new Set([...documentFormats.values(), "txt"]);
