/** Owns making images: the request to the vendor and the reading of its images. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { GenerateImagesResponseSchema, ImageDelivery, type GeneratedImageSchema, type GenerateImagesRequest, type GenerateImagesResponse } from "#gen/weir/inference/v1/image_generation_pb.ts";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../../domain/adapter.ts";
import { askedImages, countedImages } from "../../../domain/usage/counted-images.ts";
import { aspectRatioOf, sidesOf } from "../../../domain/media/image-size.ts";
import type { RelayForm } from "../../../domain/reply/relay-form.ts";
import { asCount, asObject, asObjects, asText, isObject, parseVendorJson, textOf, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readSeconds } from "../../../domain/translation/vendor-time.ts";
import { Warnings } from "../../../domain/translation/warnings.ts";
import { createMediaStreamReader } from "./media-stream-reader.ts";
import type { OpenaiQuirks } from "../compatible/quirks.ts";

const endpoint = "/images/generations";

/** In what vendors differ that make images at this path, as data. */
export interface ImageQuirks {
  /** How the size is said: OpenAI's bytes go on untouched only to those who say it as OpenAI does. */
  readonly size: "size" | "aspect_ratio" | "width_and_height";
  /** The word for images as bytes. */
  readonly bytesWord: "b64_json" | "base64";
  /** Fields that the vendor refuses or ignores; each is left out with a warning. */
  readonly unknownFields: readonly (keyof typeof memberOfField)[];
}

/** The member that each field is sent under. */
const memberOfField = {
  quality: "quality",
  style: "style",
  background: "background",
  moderation: "moderation",
  outputFormat: "output_format",
  outputCompression: "output_compression",
  endUser: "user",
} as const;

export function createImagesAdapter({ images }: OpenaiQuirks): UnaryAdapter<"generateImages"> {
  const native = {
    dialect: "openai",
    buildRequest: (body: Uint8Array, model: string) => vendorRequest(spliceJson(body, { model }), new Warnings("The vendor", false)),
    summarizeReply: (body: Uint8Array) => summarizeImages(parseVendorJson(textOf(body))),
  };
  return {
    buildRequest: (request, model) => buildRequest(request, model, images),
    readReply: readImages,
    ...(images.size === "size" ? { native } : {}),
    estimateUsage: (_traffic, { body }) => imagesAskedIn(body),
  };
}

/** Images that come in events, as they grow; for vendors that take OpenAI's bytes untouched. */
export const imageGenerationRelay: RelayForm = {
  dialect: "openai",
  endpoint,
  operation: "generateImages",
  summarizeReply: (body) => summarizeImages(parseVendorJson(textOf(body))),
  createStreamReader: () => createMediaStreamReader(readImageUsage),
  estimateUsage: imagesAskedIn,
};

function imagesAskedIn(body: Uint8Array): Usage {
  return askedImages(asCount(parseVendorJson(textOf(body))["n"]));
}

function buildRequest(request: GenerateImagesRequest, model: string, quirks: ImageQuirks): VendorRequest {
  const warnings = new Warnings("The vendor", request.strict);
  const body = {
    model,
    prompt: request.prompt,
    ...(request.count === undefined ? {} : { n: request.count }),
    ...writeSize(request, quirks, warnings),
    ...writeOptions(request, quirks, warnings),
    ...writeDelivery(request.delivery, model, quirks, warnings),
  };
  return vendorRequest(Buffer.from(JSON.stringify(body)), warnings);
}

function writeSize(request: GenerateImagesRequest, quirks: ImageQuirks, warnings: Warnings): JsonObject {
  const { size, aspectRatio } = request;
  if (quirks.size === "aspect_ratio") {
    const ratio = aspectRatioOf(request);
    if (size !== undefined) warnings.add("size", ratio === undefined ? "The vendor takes no such word; it is left out." : `The vendor takes a ratio alone; ${ratio} is sent.`);
    return ratio === undefined ? {} : { aspect_ratio: ratio };
  }
  if (aspectRatio !== undefined) warnings.add("aspect_ratio", "The vendor takes a size in pixels; it is left out.");
  if (size === undefined || quirks.size === "size") return size === undefined ? {} : { size };
  const sides = sidesOf(size);
  if (sides === undefined) warnings.add("size", "The vendor takes no such word; it is left out.");
  return { ...sides };
}

function writeOptions(request: GenerateImagesRequest, { unknownFields }: ImageQuirks, warnings: Warnings): JsonObject {
  const options: Record<string, unknown> = {};
  for (const [field, member] of Object.entries(memberOfField) as [keyof typeof memberOfField, string][]) {
    const value = request[field];
    if (value === undefined) continue;
    if (unknownFields.includes(field)) warnings.add(field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), "The vendor has nothing like it; it is left out.");
    else options[member] = value;
  }
  return options;
}

/** OpenAI's newer models send bytes alone, and refuse to be asked how (`response_format` of ImageGenerateParams in the `openai` package). */
function writeDelivery(delivery: ImageDelivery, model: string, { bytesWord }: ImageQuirks, warnings: Warnings): JsonObject {
  if (delivery === ImageDelivery.UNSPECIFIED) return {};
  const sendsBytes = /^(chatgpt|gpt)-image/.test(model);
  if (!sendsBytes) return { response_format: delivery === ImageDelivery.URL ? "url" : bytesWord };
  if (delivery === ImageDelivery.URL) warnings.add("delivery", "The model sends images as bytes alone.");
  return {};
}

function vendorRequest(body: Uint8Array, { list }: Warnings): VendorRequest {
  return { path: endpoint, headers: {}, body, warnings: list, withholdUsage: false };
}

/** Throws UPSTREAM_PROTOCOL when there is no image in it. */
export function readImages(body: Uint8Array): { readonly response: GenerateImagesResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const summary = summarizeImages(reply);
  const format = asText(reply["output_format"]);
  const images = asObjects(reply["data"]).flatMap((image) => readImage(image, format));
  if (images.length === 0) throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor's reply holds no image; try again, or use another target.");
  const createTime = readSeconds(reply["created"]);
  const response = create(GenerateImagesResponseSchema, {
    model: summary.servedModel,
    images,
    ...(createTime === undefined ? {} : { createTime }),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
    ...textMember(reply, "size", "size"),
    ...textMember(reply, "quality", "quality"),
    ...textMember(reply, "background", "background"),
    ...textMember(reply, "output_format", "outputFormat"),
  });
  return { response, summary };
}

function textMember<Field extends string>(reply: JsonObject, member: string, field: Field): Partial<Record<Field, string>> {
  const text = asText(reply[member]);
  return (text === "" ? {} : { [field]: text }) as Partial<Record<Field, string>>;
}

/** Bytes, which xAI puts into a `data:` URL, or an address. */
function readImage(image: JsonObject, format: string): MessageInitShape<typeof GeneratedImageSchema>[] {
  const revisedPrompt = asText(image["revised_prompt"]);
  const encoded = asText(image["b64_json"]);
  const url = asText(image["url"]);
  if (encoded === "") return url === "" ? [] : [{ revisedPrompt, media: { source: { case: "url", value: url } } }];
  const [, statedType, data = encoded] = /^data:([^;,]*);base64,(.*)$/s.exec(encoded) ?? [];
  const mediaType = statedType ?? (asText(image["mime_type"]) || (format === "" ? "" : `image/${format}`));
  return [{ revisedPrompt, media: { source: { case: "data", value: new Uint8Array(Buffer.from(data, "base64")) }, mediaType } }];
}

export function summarizeImages(reply: JsonObject): ReplySummary {
  return { usage: readImageUsage(reply["usage"]) ?? countedImages(asObjects(reply["data"]).length), finishReason: "", servedModel: asText(reply["model"]), serviceTier: "" };
}

/** Of OpenAI's models that count tokens, `ImagesResponse.Usage` of the `openai` package; without details all that comes is image. */
export function readImageUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const input = asCount(value["input_tokens"]);
  const output = asCount(value["output_tokens"]);
  if (input === undefined || output === undefined) return undefined;
  const imageInput = Math.min(asCount(asObject(value["input_tokens_details"])["image_tokens"]) ?? 0, input);
  const textOutput = Math.min(asCount(asObject(value["output_tokens_details"])["text_tokens"]) ?? 0, output);
  const quantities: readonly (readonly [meter: Meter, quantity: number])[] = [
    [Meter.INPUT_TOKENS, input - imageInput],
    [Meter.IMAGE_INPUT_TOKENS, imageInput],
    [Meter.OUTPUT_TOKENS, textOutput],
    [Meter.IMAGE_OUTPUT_TOKENS, output - textOutput],
  ];
  return create(UsageSchema, {
    quantities: quantities.filter(([, quantity]) => quantity > 0).map(([meter, quantity]) => ({ meter, quantity: BigInt(quantity) })),
    source: UsageSource.PROVIDER,
  });
}
