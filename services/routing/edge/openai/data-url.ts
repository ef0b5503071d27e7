/** Owns media inside OpenAI requests and replies: bytes as base64, alone or in a `data:` URL. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Media, MediaSchema } from "#gen/weir/inference/v1/content_pb.ts";

/** `data:` URLs become bytes, all others stay addresses. Undefined when a `data:` URL is no base64. */
export function readMediaUrl(url: string): MessageInitShape<typeof MediaSchema> | undefined {
  if (!url.startsWith("data:")) return { source: { case: "url", value: url } };
  const comma = url.indexOf(",");
  const [mediaType = "", ...parameters] = url.slice("data:".length, Math.max(comma, 0)).split(";");
  const data = comma > 0 && parameters.includes("base64") ? readBase64(url.slice(comma + 1)) : undefined;
  return data === undefined ? undefined : { source: { case: "data", value: data }, mediaType };
}

/** The bytes, or undefined when the text is no base64. */
export function readBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  return text.length % 4 === 1 || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) ? undefined : new Uint8Array(Buffer.from(text, "base64"));
}

/** The address, or the bytes as a `data:` URL. */
export function writeMediaUrl({ source, mediaType }: Media): string {
  if (source.case === "url" || source.case === "fileId") return source.value;
  return `data:${mediaType};base64,${writeBase64(source.value ?? new Uint8Array())}`;
}

export function writeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
