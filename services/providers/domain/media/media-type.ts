/** Owns telling what a file is: by its first bytes where these say it, and by what others say of it only where they cannot. */
import { isUtf8 } from "node:buffer";
import type { MediaKind } from "./remote-media.ts";

/**
 * The media type of a file that is to stand in a part of this kind; undefined when it may not stand there.
 * @param said what caller and host say that it is, the first who is to be believed first
 */
export function mediaTypeOf(bytes: Uint8Array, kind: MediaKind, said: readonly string[]): string | undefined {
  const found = signatures.find(({ at = 0, marks }) => marks.some((mark) => textAt(bytes, at, mark.length) === mark))?.mediaType ?? typeOfIsoMedia(bytes);
  switch (kind) {
    case "image":
      return found?.startsWith("image/") === true ? found : undefined;
    case "audio":
      // A container for moving pictures can hold sound alone.
      return found === undefined ? undefined : /^(?:audio|video)\//.test(found) ? found.replace("video/", "audio/") : undefined;
    default:
      return found ?? said.find((mediaType) => isPlausible(bytes, mediaType));
  }
}

/**
 * The media type to send with bytes that a caller gave. Of a picture the bytes count: vendors look at them too, and refuse a JPEG
 * that is called PNG, or `image/jpg`. Of others, what the caller says.
 */
export function sentTypeOf(bytes: Uint8Array, said: string): string {
  if (said === "") return mediaTypeOf(bytes, "file", []) ?? "";
  if (!/^image\//i.test(said)) return said;
  return mediaTypeOf(bytes, "image", []) ?? said.toLowerCase().replace(/^image\/jpg$/, "image/jpeg");
}

interface Signature {
  readonly mediaType: string;
  readonly at?: number;
  /** Any of these, a character for each byte. */
  readonly marks: readonly string[];
}

/** Source: https://mimesniff.spec.whatwg.org, sections 6 and 7, and for the sounds without a container the frame headers of MPEG audio. */
const signatures: readonly Signature[] = [
  { mediaType: "image/png", marks: ["\x89PNG\r\n\x1a\n"] },
  { mediaType: "image/jpeg", marks: ["\xff\xd8\xff"] },
  { mediaType: "image/gif", marks: ["GIF87a", "GIF89a"] },
  { mediaType: "image/webp", at: 8, marks: ["WEBPVP"] },
  { mediaType: "application/pdf", marks: ["%PDF-"] },
  { mediaType: "audio/wav", at: 8, marks: ["WAVE"] },
  { mediaType: "audio/flac", marks: ["fLaC"] },
  { mediaType: "audio/ogg", marks: ["OggS"] },
  { mediaType: "audio/aac", marks: ["\xff\xf1", "\xff\xf9"] },
  { mediaType: "audio/mpeg", marks: ["ID3", "\xff\xfb", "\xff\xfa", "\xff\xf3", "\xff\xf2"] },
  { mediaType: "video/webm", marks: ["\x1a\x45\xdf\xa3"] },
];

/** Pictures, sounds and videos in a container of ISO, whose brand stands behind `ftyp`. */
function typeOfIsoMedia(bytes: Uint8Array): string | undefined {
  if (textAt(bytes, 4, 4) !== "ftyp") return undefined;
  return brands.get(textAt(bytes, 8, 4)) ?? "video/mp4";
}

const brands: ReadonlyMap<string, string> = new Map([
  ["heic", "image/heic"],
  ["heix", "image/heic"],
  ["mif1", "image/heif"],
  ["avif", "image/avif"],
  ["M4A ", "audio/mp4"],
  ["qt  ", "video/quicktime"],
]);

/** Text shows that it is text; a document of an office program is an archive, or the container of older ones. */
function isPlausible(bytes: Uint8Array, mediaType: string): boolean {
  if (mediaType.startsWith("text/") || /^application\/(?:.*\+)?(?:json|xml)$/.test(mediaType)) return isText(bytes);
  if (mediaType.startsWith("application/vnd.openxmlformats-officedocument.")) return textAt(bytes, 0, 4) === "PK\x03\x04";
  return (mediaType === "application/msword" || mediaType === "application/vnd.ms-excel") && textAt(bytes, 0, 4) === "\xd0\xcf\x11\xe0";
}

/** UTF-8 without the bytes that the same source calls binary. */
function isText(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && !bytes.some((byte) => byte < 0x20 && !textControls.has(byte));
}

/** Tab, line feed, form feed, carriage return, escape. */
const textControls: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0c, 0x0d, 0x1b]);

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
