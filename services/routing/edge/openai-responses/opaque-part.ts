/**
 * Owns `encrypted_content` of reasoning items: in it travels what a vendor wants back unchanged, because clients that keep the
 * conversation themselves send it back as it came. Not a secret from the caller, who has read the reply.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { PartSchema, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import { readBase64, writeBase64 } from "../openai/data-url.ts";

/** Tells Weir's own content from what a vendor encrypted. */
const prefix = "weir1.";

export function writeOpaquePart(part: Part): string {
  return prefix + writeBase64(toBinary(PartSchema, part));
}

/** The part, reasoning or native; undefined when Weir did not write it. */
export function readOpaquePart(content: string): Part | undefined {
  const bytes = content.startsWith(prefix) ? readBase64(content.slice(prefix.length)) : undefined;
  if (bytes === undefined) return undefined;
  try {
    const part = fromBinary(PartSchema, bytes);
    return part.kind.case === "reasoning" || part.kind.case === "native" ? part : undefined;
  } catch {
    return undefined;
  }
}
