/** Owns media that a request names by an address: which of it a vendor must get as bytes, and the request with those bytes in it. */
import { create } from "@bufbuild/protobuf";
import { MediaSchema, type Media, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";

/** A kind of part that holds media. */
export type MediaKind = "image" | "audio" | "file";

/** By the kind of part, the schemes by which a vendor cannot take its media, so that it must come as bytes; a kind that stands not here goes as it is. */
export type TakenAsBytes = Readonly<Partial<Record<MediaKind, readonly ("http:" | "https:")[]>>>;

export const anyAddress = ["http:", "https:"] as const;

export interface RemoteMedia {
  readonly kind: MediaKind;
  /** Of the part, in the types. */
  readonly path: string;
  readonly url: string;
  readonly media: Media;
}

/** What a vendor with these needs must get as bytes, and has not. */
export function findRemoteMedia(request: AttemptRequest, taken: TakenAsBytes): RemoteMedia[] {
  const { messages = [] } = generationOf(request) ?? {};
  return messages.flatMap(({ parts }, index) => findInParts(parts, `messages[${index}]`, taken));
}

/** The same request with bytes in place of addresses. */
export function withBytes(request: AttemptRequest, bytesOf: ReadonlyMap<Media, Media>): AttemptRequest {
  const { operation } = request;
  const generation = generationOf(request);
  if (generation === undefined) return request;
  const messages = generation.messages.map((message) => ({ ...message, parts: message.parts.map((part) => partWithBytes(part, bytesOf)) }));
  const value = { ...operation.value, generation: { ...generation, messages } };
  return { ...request, operation: { ...operation, value } as AttemptRequest["operation"] };
}

export function mediaFrom(bytes: Uint8Array<ArrayBuffer>, mediaType: string): Media {
  return create(MediaSchema, { source: { case: "data", value: bytes }, mediaType });
}

/** What a caller can do about media that a vendor takes as bytes alone. */
export function howToSendBytes(media: Media | undefined): string {
  const isFetchable = media?.source.case === "url" && /^https?:/i.test(media.source.value);
  return isFetchable ? "send the bytes, or let Weir fetch them (fetch_urls in weir.yaml)." : "send the bytes.";
}

function generationOf({ operation }: AttemptRequest): Generation | undefined {
  return operation.case === "generate" || operation.case === "streamGenerate" || operation.case === "countTokens" ? operation.value.generation : undefined;
}

function findInParts(parts: readonly Part[], path: string, taken: TakenAsBytes): RemoteMedia[] {
  return parts.flatMap(({ kind }, index) => {
    const partPath = `${path}.parts[${index}]`;
    if (kind.case === "toolResult") return findInParts(kind.value.parts, partPath, taken);
    if (kind.case !== "image" && kind.case !== "audio" && kind.case !== "file") return [];
    const { media } = kind.value;
    if (media?.source.case !== "url") return [];
    const url = media.source.value;
    const mustBeBytes = taken[kind.case]?.some((scheme) => url.slice(0, scheme.length).toLowerCase() === scheme) === true;
    return mustBeBytes ? [{ kind: kind.case, path: partPath, url, media }] : [];
  });
}

function partWithBytes(part: Part, bytesOf: ReadonlyMap<Media, Media>): Part {
  const { kind } = part;
  switch (kind.case) {
    case "image":
      return { ...part, kind: { case: "image", value: { ...kind.value, ...mediaOf(kind.value, bytesOf) } } };
    case "audio":
      return { ...part, kind: { case: "audio", value: { ...kind.value, ...mediaOf(kind.value, bytesOf) } } };
    case "file":
      return { ...part, kind: { case: "file", value: { ...kind.value, ...mediaOf(kind.value, bytesOf) } } };
    case "toolResult":
      return { ...part, kind: { case: "toolResult", value: { ...kind.value, parts: kind.value.parts.map((inner) => partWithBytes(inner, bytesOf)) } } };
    default:
      return part;
  }
}

function mediaOf({ media }: { readonly media?: Media | undefined }, bytesOf: ReadonlyMap<Media, Media>): { media?: Media } {
  const found = media === undefined ? undefined : bytesOf.get(media);
  return found === undefined ? {} : { media: found };
}
