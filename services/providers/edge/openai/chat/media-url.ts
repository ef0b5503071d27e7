/** Owns the reading of images in replies, which OpenRouter sends as `images`. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Part, PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { asObject, asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";

/** The image as a part; empty when it has no address. */
export function readImageUrl(image: JsonObject): Exclude<MessageInitShape<typeof PartSchema>, Part>[] {
  const url = asText(asObject(image["image_url"])["url"]);
  const [, mediaType = "", encoded] = /^data:([^;,]*)(?:;[^,]*)?;base64,(.*)$/s.exec(url) ?? [];
  if (encoded !== undefined) {
    const data = new Uint8Array(Buffer.from(encoded, "base64"));
    return [{ kind: { case: "image", value: { media: { source: { case: "data", value: data }, mediaType } } } }];
  }
  return url === "" ? [] : [{ kind: { case: "image", value: { media: { source: { case: "url", value: url } } } } }];
}
