/** Owns the JSON of Gemini's replies and the path of its methods. */
import { GatewayError } from "#platform/errors.ts";
import { parseExactJson } from "../../domain/translation/exact-json.ts";
import { isObject, type JsonObject } from "../../domain/translation/vendor-json.ts";

/** The name under which Gemini's own JSON stands in a NativePart. */
export const nativeDialect = "gemini";

/** Throws UPSTREAM_PROTOCOL when it is no JSON object. */
export function parseReplyJson(text: string): JsonObject {
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (cause) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Gemini's reply is not valid JSON; try again, or use another target.", { cause });
  }
  if (!isObject(value)) throw new GatewayError("UPSTREAM_PROTOCOL", "Gemini's reply is not a JSON object; try again, or use another target.");
  return value;
}

/** Such as `models/gemini-3.8-flash`. A tuned model's name says itself what it is. */
export function resourceName(model: string): string {
  const [, collection = "models", name = model] = /^(models|tunedModels)\/(.*)$/s.exec(model) ?? [];
  return `${collection}/${name}`;
}

/** Such as `/models/gemini-3.8-flash:generateContent`. */
export function methodPath(model: string, method: string): string {
  const [collection, ...name] = resourceName(model).split("/");
  return `/${collection}/${encodeURIComponent(name.join("/"))}:${method}`;
}
