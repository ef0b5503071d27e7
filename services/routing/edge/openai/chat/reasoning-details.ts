/**
 * Owns reasoning in this dialect, for which OpenAI has no place. `reasoning_content` holds the text, as DeepSeek and vLLM
 * write it (https://docs.vllm.ai/en/v0.10.0/features/reasoning_outputs.html); `reasoning_details` holds what vendors want
 * back unchanged, as OpenRouter writes it (https://openrouter.ai/docs/use-cases/reasoning-tokens). The entries of one part
 * share an `index`, so that a client may send them back as they came, whole or in the pieces of a stream.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ReasoningPart, ReasoningPartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { ObjectReader } from "../object-reader.ts";

type ReasoningInit = MessageInitShape<typeof ReasoningPartSchema>;

/** One entry of `reasoning_details`. */
interface ReasoningDetail {
  readonly type: "reasoning.text" | "reasoning.summary" | "reasoning.encrypted";
  readonly index: number;
  readonly text?: string;
  readonly summary?: string;
  readonly signature?: string;
  readonly data?: string;
}

/** The reasoning of an assistant's message; the details count when both forms are there. */
export function readReasoning(message: ObjectReader): ReasoningInit[] {
  const plain = message.optionalText("reasoning_content") ?? message.optionalText("reasoning");
  const details = message.objects("reasoning_details");
  // Both names at once say the same.
  if (message.has("reasoning")) message.raw("reasoning");
  if (details.length === 0) return plain === undefined || plain === "" ? [] : [{ text: plain }];
  return mergeDetails(details);
}

/** The members of a message for its reasoning. */
export function writeReasoning(parts: readonly ReasoningPart[]): { reasoning_content?: string; reasoning_details?: ReasoningDetail[] } {
  if (parts.length === 0) return {};
  return {
    reasoning_content: parts.map(({ text }) => text).join(""),
    reasoning_details: parts.flatMap((part, index) => detailsOf(part, index)),
  };
}

/** The entries for one part, or for a piece of it. */
export function detailsOf({ text, signature, redactedData, isSummary }: Pick<ReasoningPart, "text" | "signature" | "redactedData" | "isSummary">, index: number): ReasoningDetail[] {
  const signed = signature === "" ? {} : { signature };
  const details: ReasoningDetail[] = [];
  if (text !== "" || signature !== "") {
    details.push(isSummary ? { type: "reasoning.summary", summary: text, ...signed, index } : { type: "reasoning.text", text, ...signed, index });
  }
  if (redactedData !== "") details.push({ type: "reasoning.encrypted", data: redactedData, index });
  return details;
}

function mergeDetails(details: readonly ObjectReader[]): ReasoningInit[] {
  const parts = new Map<number, { text: string; signature: string; redactedData: string; isSummary: boolean }>();
  let lastIndex = -1;
  for (const detail of details) {
    const type = detail.optionalText("type");
    if (type !== "reasoning.text" && type !== "reasoning.summary" && type !== "reasoning.encrypted") continue;
    lastIndex = detail.optionalInt32("index") ?? lastIndex + 1;
    const part = parts.get(lastIndex) ?? { text: "", signature: "", redactedData: "", isSummary: type === "reasoning.summary" };
    part.text += detail.optionalText("text") ?? detail.optionalText("summary") ?? "";
    part.signature += detail.optionalText("signature") ?? "";
    part.redactedData += detail.optionalText("data") ?? "";
    if (type === "reasoning.summary") part.isSummary = true;
    parts.set(lastIndex, part);
  }
  return [...parts.values()];
}
