/** Owns what operations are called in OpenTelemetry's conventions for generative AI. */

// https://github.com/open-telemetry/semantic-conventions-genai; what has no word there keeps Weir's own.
const conventional: Readonly<Record<string, string>> = { generate: "chat", embed: "embeddings" };

/** Of an operation by Weir's word, such as `generate`, `rerank`. */
export function genAiOperation(operation: string): string {
  return conventional[operation] ?? operation;
}
