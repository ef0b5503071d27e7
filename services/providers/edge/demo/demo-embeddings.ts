/** Owns the demo's embeddings: unit vectors that follow from the text alone, and mean nothing. */
import { createHash } from "node:crypto";
import { GatewayError } from "#platform/errors.ts";

type Json = { readonly [key: string]: unknown };

const defaultDimensions = 64;
const maximumDimensions = 4096;

export function embeddings(body: Json): Json {
  const { model, input, dimensions = defaultDimensions, encoding_format: format } = body;
  const inputs = readInputs(input);
  if (typeof dimensions !== "number" || !Number.isInteger(dimensions) || dimensions < 1 || dimensions > maximumDimensions) {
    throw new GatewayError("INVALID_REQUEST", `\`dimensions\` must be a whole number from 1 to ${maximumDimensions}.`);
  }
  const tokens = inputs.reduce((sum, text) => sum + Math.max(1, Math.ceil(Buffer.byteLength(text) / 4)), 0);
  return {
    object: "list",
    data: inputs.map((text, index) => ({ object: "embedding", index, embedding: encode(vectorOf(text, dimensions), format) })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

/** A text, several, or token ids in the place of texts. */
function readInputs(input: unknown): string[] {
  if (typeof input === "string") return [input];
  if (!Array.isArray(input) || input.length === 0) throw new GatewayError("INVALID_REQUEST", "`input` is missing.");
  if (input.every((item) => typeof item === "number")) return [input.join(" ")];
  return input.map((item: unknown) => (typeof item === "string" ? item : JSON.stringify(item)));
}

function vectorOf(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  let digest = Buffer.alloc(0);
  for (let index = 0; index < dimensions; index++) {
    const place = (index * 2) % 32;
    if (place === 0) digest = createHash("sha256").update(`${index}:${text}`).digest();
    vector[index] = digest.readInt16LE(place) / 32768;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

function encode(vector: Float32Array, format: unknown): string | number[] {
  return format === "base64" ? Buffer.from(vector.buffer).toString("base64") : [...vector];
}
