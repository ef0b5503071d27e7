/** Owns the most tokens that one image can count, as far as vendors or those who measured it say. */

interface ImageTokens {
  readonly vendors: readonly string[];
  /** What the names of the models begin with; empty for all of the vendor. */
  readonly prefix: string;
  readonly tokens: bigint;
}

const input: readonly ImageTokens[] = [
  // The dearest of its models, gpt-4o-mini, counts 2,833 and 5,667 for each of at most 8 tiles (https://pypi.org/project/openai-image-token-counter);
  // those that count patches have at most 10,000 of them (https://github.com/openai/codex/pull/19865), at up to 2.46 a patch.
  { vendors: ["openai", "azure"], prefix: "", tokens: 48_169n },
  // At most 2,576 pixels on an edge, a token for each 28 by 28 of them: https://platform.claude.com/docs/en/build-with-claude/vision
  { vendors: ["anthropic", "vertex_anthropic"], prefix: "", tokens: 8_464n },
  // `media_resolution` at its finest: https://ai.google.dev/gemini-api/docs/media-resolution. Older models count tiles, as many as there are.
  { vendors: ["gemini", "vertex"], prefix: "gemini-3", tokens: 2_240n },
  { vendors: ["gemini", "vertex"], prefix: "gemini-4", tokens: 2_240n },
];

const output: readonly ImageTokens[] = [
  // $0.25 at $40 for a million: https://developers.openai.com/api/docs/guides/image-generation, high quality and the largest size;
  // and 100 for each of the three partial images that may be asked for.
  { vendors: ["openai", "azure"], prefix: "gpt-image-1", tokens: 6_550n },
];

/** Of an image that the model reads; undefined where it is not known. */
export function mostImageInputTokens(vendor: string, model: string): bigint | undefined {
  return find(input, vendor, model);
}

/** Of an image that the model makes; undefined where it is not known. */
export function mostImageOutputTokens(vendor: string, model: string): bigint | undefined {
  return find(output, vendor, model);
}

function find(rows: readonly ImageTokens[], vendor: string, model: string): bigint | undefined {
  return rows.find(({ vendors, prefix }) => vendors.includes(vendor) && model.startsWith(prefix))?.tokens;
}
