/**
 * Owns pieces of a reply that Gemini has no place for: they travel in `partMetadata`, which clients keep, so that the next
 * turn can bring them back. Source: https://ai.google.dev/api/caching#Part ("Custom metadata associated with the Part").
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { NativePart, PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { invalidField, type RequestFields } from "../dialect-parts/request-fields.ts";

const member = "weir";

/** Reasoning that its vendor encrypted. */
export function keptReasoning(redactedData: string): JsonObject {
  return { thought: true, text: "", partMetadata: { [member]: { redactedData } } };
}

/** A piece in another dialect's JSON. */
export function keptNative({ dialect, json }: NativePart): JsonObject {
  return { partMetadata: { [member]: { dialect, part: JSON.parse(Buffer.from(json).toString()) as unknown } } };
}

/** The piece that a reply's part brings back; undefined for any other part. */
export function readKeptPart(part: RequestFields): MessageInitShape<typeof PartSchema> | undefined {
  const metadata = part.peek("partMetadata");
  if (typeof metadata !== "object" || metadata === null || !Object.hasOwn(metadata, member)) return undefined;
  const kept = part.requiredObject("partMetadata").requiredObject(member);
  const redactedData = kept.text("redactedData");
  if (redactedData !== undefined) return { kind: { case: "reasoning", value: { redactedData } } };
  const native = kept.take("part");
  if (native === undefined) throw invalidField(kept.pathOf("part"), "is missing");
  return { kind: { case: "native", value: { dialect: kept.requiredText("dialect"), json: Buffer.from(JSON.stringify(native)) } } };
}
