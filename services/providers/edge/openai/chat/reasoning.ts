/**
 * Owns the reading of reasoning, for which OpenAI has no place: `reasoning_content` (DeepSeek, vLLM), `reasoning` (newer vLLM,
 * https://docs.vllm.ai/en/v0.11.2/features/reasoning_outputs/) or `reasoning_details`
 * (OpenRouter, https://openrouter.ai/docs/use-cases/reasoning-tokens), which says most and so comes first; or a part of the
 * content (Mistral, https://docs.mistral.ai/inference/conversations/reasoning).
 */
import { asCount, asObjects, asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";

/** A piece of reasoning; pieces of one part have the same index. */
export interface ReasoningPiece {
  readonly index: number;
  readonly text: string;
  readonly signature: string;
  readonly redactedData: string;
  readonly isSummary: boolean;
}

/** The pieces in a message or in a delta of one. */
export function readReasoningPieces(message: JsonObject): readonly ReasoningPiece[] {
  const details = asObjects(message["reasoning_details"]).map(readDetail).filter(isFilled);
  if (details.length > 0) return details;
  const text = asText(message["reasoning_content"]) || asText(message["reasoning"]);
  return text === "" ? [] : [{ index: 0, text, signature: "", redactedData: "", isSummary: false }];
}

/** The reasoning in a part of the content; undefined for a part of another kind, or one that holds more than text. */
export function readThinkingPart(part: JsonObject): ReasoningPiece | undefined {
  const pieces = asObjects(part["thinking"]);
  if (part["type"] !== "thinking" || !pieces.every(({ type }) => type === "text")) return undefined;
  return { index: 0, text: pieces.map(({ text }) => asText(text)).join(""), signature: asText(part["signature"]), redactedData: "", isSummary: false };
}

/** The parts that the pieces make up, in the order of their first pieces. */
export function joinPieces(pieces: readonly ReasoningPiece[]): ReasoningPiece[] {
  const parts = new Map<number, ReasoningPiece>();
  for (const piece of pieces) {
    const part = parts.get(piece.index);
    parts.set(piece.index, part === undefined ? piece : join(part, piece));
  }
  return [...parts.values()];
}

function join(part: ReasoningPiece, piece: ReasoningPiece): ReasoningPiece {
  return {
    index: part.index,
    text: part.text + piece.text,
    signature: part.signature + piece.signature,
    redactedData: part.redactedData + piece.redactedData,
    isSummary: part.isSummary || piece.isSummary,
  };
}

function readDetail(detail: JsonObject, position: number): ReasoningPiece {
  const isSummary = detail["type"] === "reasoning.summary";
  return {
    index: asCount(detail["index"]) ?? position,
    text: asText(isSummary ? detail["summary"] : detail["text"]),
    signature: asText(detail["signature"]),
    redactedData: asText(detail["data"]),
    isSummary,
  };
}

function isFilled({ text, signature, redactedData }: ReasoningPiece): boolean {
  return text !== "" || signature !== "" || redactedData !== "";
}
