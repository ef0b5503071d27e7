/** Owns POST /images/edits and /images/variations: images go in as a form, others come out. */
import { create } from "@bufbuild/protobuf";
import { EditImagesResponseSchema, type EditImagesRequest, type ImageFile } from "#gen/weir/inference/v1/image_edit_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { findPart, textPart, writeForm, type FormPart } from "#platform/formats/multipart.ts";
import type { UnaryAdapter, VendorRequest } from "../../../domain/adapter.ts";
import { askedImages } from "../../../domain/usage/counted-images.ts";
import type { RelayForm } from "../../../domain/reply/relay-form.ts";
import { parseVendorJson, textOf } from "../../../domain/translation/vendor-json.ts";
import { readImages, readImageUsage, summarizeImages } from "./images.ts";
import { createMediaStreamReader } from "./media-stream-reader.ts";

const endpoint = "/images/edits";

export const editImagesAdapter: UnaryAdapter<"editImages"> = {
  buildRequest,
  readReply: (body) => {
    const { response, summary } = readImages(body);
    const { model, images, createTime, usage } = response;
    return { response: create(EditImagesResponseSchema, { model, images, ...(createTime === undefined ? {} : { createTime }), ...(usage === undefined ? {} : { usage }) }), summary };
  },
  estimateUsage: (_traffic, { body, contentType = "" }) => imagesOfForm(body, contentType),
};

export const imageEditRelays: readonly RelayForm[] = [endpoint, "/images/variations"].map((path) => ({
  dialect: "openai",
  endpoint: path,
  operation: "editImages",
  summarizeReply: (body) => summarizeImages(parseVendorJson(textOf(body))),
  createStreamReader: () => createMediaStreamReader(readImageUsage),
  estimateUsage: imagesOfForm,
}));

function buildRequest(request: EditImagesRequest, model: string): VendorRequest {
  const { images, mask, prompt, count, size, quality, inputFidelity, background, outputFormat, outputCompression, endUser } = request;
  const options = { model, prompt, n: count, size, quality, input_fidelity: inputFidelity, background, output_format: outputFormat, output_compression: outputCompression, user: endUser };
  const { body, contentType } = writeForm([
    ...images.map((image, index) => file(images.length === 1 ? "image" : "image[]", image, `image-${index + 1}`)),
    ...(mask === undefined ? [] : [file("mask", mask, "mask")]),
    ...Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [textPart(name, String(value))])),
  ]);
  return { path: endpoint, headers: {}, contentType, body, warnings: [], withholdUsage: false };
}

function imagesOfForm(body: Uint8Array, contentType: string): Usage {
  const count = findPart(body, contentType, "n");
  return askedImages(count === undefined ? undefined : Number(count.toString("latin1")));
}

/** The vendor tells the format by the file's media type and ending. */
function file(name: string, { data, mediaType }: ImageFile, title: string): FormPart {
  const type = mediaType || "image/png";
  return { name, filename: `${title}.${type.slice(type.indexOf("/") + 1)}`, mediaType: type, content: data };
}
