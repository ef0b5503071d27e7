/** Owns pieces of an assistant's message that only one vendor knows: they travel in `native_parts`, so that the next turn can bring them back. */
import type { NativePart } from "#gen/weir/inference/v1/content_pb.ts";
import type { ObjectReader } from "../object-reader.ts";

/** A native piece as `create` takes it, for a part as well as for a tool. */
interface NativeInit {
  readonly kind: { readonly case: "native"; readonly value: { readonly dialect: string; readonly json: Uint8Array<ArrayBuffer> } };
}

export function writeNativePart({ dialect, json }: NativePart): object {
  return { dialect, part: JSON.parse(Buffer.from(json).toString()) as unknown };
}

export function readNativeParts(message: ObjectReader): NativeInit[] {
  return message.objects("native_parts").map((entry) => nativePart(entry.text("dialect"), entry.object("part").rawMembers()));
}

/** A piece in the JSON of the dialect. */
export function nativePart(dialect: string, value: unknown): NativeInit {
  return { kind: { case: "native", value: { dialect, json: new TextEncoder().encode(JSON.stringify(value)) } } };
}
