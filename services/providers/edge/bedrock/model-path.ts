/** Owns where a model's operations are: Bedrock takes its name in the path. */
import { GatewayError } from "#platform/errors.ts";

export type ModelOperation = "converse" | "converse-stream" | "count-tokens" | "invoke";

/**
 * The path of an operation. A name is one segment, whatever it holds: of `anthropic.claude-sonnet-4-5-20250929-v1:0` the colon is
 * encoded, of an ARN the slashes too, as AWS's own clients do it.
 */
export function pathOf(model: string, operation: ModelOperation): string {
  // Whoever reads paths takes these for steps through them, encoded or not.
  if (model === "." || model === "..") throw new GatewayError("MODEL_NOT_FOUND", `Bedrock has no model "${model}".`, { metadata: { model } });
  return `/model/${encodeSegment(model)}/${operation}`;
}

/** The model in a path that pathOf made. */
export function modelOf(path: string): string {
  return decodeURIComponent(path.split("/")[2] ?? "");
}

/** All but RFC 3986's unreserved characters is encoded: so it is signed. */
function encodeSegment(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
