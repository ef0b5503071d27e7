/** Owns POST /v1/images/generations. */
import { create } from "@bufbuild/protobuf";
import { GenerateImagesRequestSchema, ImageDelivery, type GeneratedImage, type GenerateImagesRequest, type GenerateImagesResponse } from "#gen/weir/inference/v1/image_generation_pb.ts";
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../../domain/dialect.ts";
import { definedMembers } from "../../dialect-parts/defined-members.ts";
import { writeBase64 } from "../data-url.ts";
import { writeStreamError } from "../errors.ts";
import { ObjectReader } from "../object-reader.ts";
import { createdOf } from "../reply-identity.ts";

export const imagesEndpoint = { operation: "generateImages", method: "POST", path: "/v1/images/generations", read } satisfies UnaryEndpoint<"generateImages">;

function read(json: JsonObject): UnaryCall<"generateImages"> {
  const body = new ObjectReader(json);
  refuseUnaccountable(body);
  return {
    model: body.text("model"),
    // Asked for once the request is read.
    get unknownFields() {
      return body.unreadMembers();
    },
    toRequest: () => readRequest(body),
    writeReply,
    ...(readStream(body) ? { events: { serves: "generateImages", writeStreamError } } : {}),
  };
}

function refuseUnaccountable(body: ObjectReader): void {
  if (body.has("svg")) throw body.untranslatable("svg", "must be left out: it is billed under another model, which one line of the ledger cannot say");
}

/** Where several images come in events, none of them says that it is the last. */
function readStream(body: ObjectReader): boolean {
  const stream = body.optionalBoolean("stream") === true;
  if (stream && (body.optionalInt32("n") ?? 1) > 1) throw body.untranslatable("n", "must be 1 where events are asked for");
  return stream;
}

function readRequest(body: ObjectReader): GenerateImagesRequest {
  return create(GenerateImagesRequestSchema, {
    model: body.text("model"),
    prompt: body.text("prompt"),
    delivery: readDelivery(body),
    ...definedMembers({
      count: body.optionalInt32("n"),
      size: body.optionalText("size"),
      // Of xAI and others, who take it in the place of a size.
      aspectRatio: body.optionalText("aspect_ratio"),
      quality: body.optionalText("quality"),
      style: body.optionalText("style"),
      background: body.optionalText("background"),
      moderation: body.optionalText("moderation"),
      outputFormat: body.optionalText("output_format"),
      outputCompression: body.optionalInt32("output_compression"),
      endUser: body.optionalText("safety_identifier") ?? body.optionalText("user"),
    }),
  });
}

function readDelivery(body: ObjectReader): ImageDelivery {
  switch (body.optionalText("response_format")) {
    case undefined:
      return ImageDelivery.UNSPECIFIED;
    case "b64_json":
      return ImageDelivery.BYTES;
    case "url":
      return ImageDelivery.URL;
    default:
      throw body.fault("response_format", "must be b64_json or url");
  }
}

function writeReply(response: GenerateImagesResponse): object {
  const { images, usage, size, quality, background, outputFormat } = response;
  return {
    created: createdOf(response),
    data: images.map(writeImage),
    ...definedMembers({ background, output_format: outputFormat, quality, size, usage: writeUsage(usage) }),
  };
}

function writeImage({ media, revisedPrompt }: GeneratedImage): object {
  const source = media?.source;
  return {
    ...(source?.case === "data" ? { b64_json: writeBase64(source.value) } : { url: source?.value ?? "" }),
    ...(revisedPrompt === "" ? {} : { revised_prompt: revisedPrompt }),
  };
}

/** Undefined where the vendor counts images and no tokens. */
function writeUsage(usage: Usage | undefined): object | undefined {
  const quantityOf = (meter: Meter): number => Number(usage?.quantities.find((one) => one.meter === meter)?.quantity ?? 0n);
  const input = { text_tokens: quantityOf(Meter.INPUT_TOKENS), image_tokens: quantityOf(Meter.IMAGE_INPUT_TOKENS) };
  const output = { text_tokens: quantityOf(Meter.OUTPUT_TOKENS) + quantityOf(Meter.REASONING_OUTPUT_TOKENS), image_tokens: quantityOf(Meter.IMAGE_OUTPUT_TOKENS) };
  const inputTokens = input.text_tokens + input.image_tokens;
  const outputTokens = output.text_tokens + output.image_tokens;
  if (inputTokens + outputTokens === 0) return undefined;
  return { input_tokens: inputTokens, output_tokens: outputTokens, total_tokens: inputTokens + outputTokens, input_tokens_details: input, output_tokens_details: output };
}
