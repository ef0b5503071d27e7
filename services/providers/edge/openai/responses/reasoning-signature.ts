/**
 * Owns the reasoning of Responses on its way through types: the encrypted content, with the item's id, is the signature of its
 * summary, and says which vendor made it (see signature-origin.ts).
 */
import type { ReasoningPart } from "#gen/weir/inference/v1/content_pb.ts";
import { asObjects, asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";

/** Between the pieces of one summary. */
export const pieceBorder = "\n\n";

export interface ReadReasoning {
  readonly text: string;
  readonly isSummary: boolean;
  readonly signature: string;
}

/** @param origin the vendor, as signatures name it: what one encrypted no other can read */
export function readReasoningItem(item: JsonObject, origin: string): ReadReasoning {
  const summary = textOf(item["summary"]);
  const text = summary === "" ? textOf(item["content"]) : summary;
  const encrypted = asText(item["encrypted_content"]);
  return { text, isSummary: summary !== "", signature: encrypted === "" ? "" : `${origin}:${asText(item["id"])}:${encrypted}` };
}

/** Undefined for reasoning that this vendor did not make, or that it let go without encrypting it. */
export function buildReasoningItem({ text, signature }: ReasoningPart, origin: string): JsonObject | undefined {
  const [, maker, id, encrypted] = /^([a-z_]+):([^:]*):(.+)$/s.exec(signature) ?? [];
  if (maker !== origin) return undefined;
  return { type: "reasoning", ...(id === "" ? {} : { id }), summary: text === "" ? [] : [{ type: "summary_text", text }], encrypted_content: encrypted };
}

function textOf(pieces: unknown): string {
  return asObjects(pieces).map(({ text }) => asText(text)).join(pieceBorder);
}
