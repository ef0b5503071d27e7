/** Owns making images: generateContent of a model that answers in images, as Imagen's own method is gone (https://ai.google.dev/gemini-api/docs/image-generation). */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateImagesResponseSchema, ImageDelivery, type GeneratedImageSchema, type GenerateImagesRequest, type GenerateImagesResponse } from "#gen/weir/inference/v1/image_generation_pb.ts";
import { GenerationSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { aspectRatioOf } from "../../domain/media/image-size.ts";
import { asObject } from "../../domain/translation/vendor-json.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { writeBody } from "./build-request.ts";
import { readReply as readGeneration } from "./read-reply.ts";
import { methodPath } from "./reply-json.ts";

export const imagesAdapter: UnaryAdapter<"generateImages"> = { buildRequest, readReply };

function buildRequest(request: GenerateImagesRequest, model: string): VendorRequest {
  const warnings = new Warnings("Gemini", request.strict);
  warnOfUnsupported(request, warnings);
  const generation = create(GenerationSchema, {
    messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: request.prompt } } }] }],
    modalities: [Modality.IMAGE],
    strict: request.strict,
  });
  const body = writeBody(generation, model, warnings);
  const aspectRatio = aspectRatioOf(request);
  if (request.size !== undefined) warnings.add("size", aspectRatio === undefined ? "Gemini takes no such word; it is left out." : `Gemini takes a ratio alone; ${aspectRatio} is sent.`);
  const generationConfig = { ...asObject(body["generationConfig"]), ...(aspectRatio === undefined ? {} : { imageConfig: { aspectRatio } }) };
  return { path: methodPath(model, "generateContent"), headers: {}, body: Buffer.from(JSON.stringify({ ...body, generationConfig })), warnings: warnings.list, withholdUsage: false };
}

function warnOfUnsupported(request: GenerateImagesRequest, warnings: Warnings): void {
  const { quality, style, background, moderation, outputFormat, outputCompression, endUser } = request;
  if ((request.count ?? 1) > 1) warnings.add("count", "Gemini makes one image per request; there is one.");
  if (request.delivery === ImageDelivery.URL) warnings.add("delivery", "Gemini sends images as bytes alone.");
  const unsupported = { quality, style, background, moderation, output_format: outputFormat, output_compression: outputCompression, end_user: endUser };
  for (const [field, asked] of Object.entries(unsupported)) if (asked !== undefined) warnings.add(field, "Gemini has nothing like it; it is left out.");
}

/** Throws UPSTREAM_PROTOCOL when it is no reply, and UPSTREAM_REJECTED when Google says why it made no image. */
function readReply(body: Uint8Array): { readonly response: GenerateImagesResponse; readonly summary: ReplySummary } {
  const { response: generated, summary } = readGeneration(body);
  const images = imagesIn(generated);
  if (images.length === 0) throw noImage(summary.finishReason);
  const { createTime, usage } = generated;
  const response = create(GenerateImagesResponseSchema, { model: generated.model, images, ...(createTime === undefined ? {} : { createTime }), ...(usage === undefined ? {} : { usage }) });
  return { response, summary };
}

function imagesIn({ candidates }: GenerateResponse): MessageInitShape<typeof GeneratedImageSchema>[] {
  const parts = candidates.flatMap(({ message }) => message?.parts ?? []);
  return parts.flatMap(({ kind }) => (kind.case === "image" && kind.value.media !== undefined ? [{ media: kind.value.media }] : []));
}

function noImage(finishReason: string): GatewayError {
  if (finishReason === "" || finishReason === "STOP") return new GatewayError("UPSTREAM_PROTOCOL", "Gemini's reply holds no image; name one of its models that make images.");
  return new GatewayError("UPSTREAM_REJECTED", `Gemini made no image: ${finishReason}. Change the prompt.`, { metadata: { status: "400", code: finishReason } });
}
