/** Owns the one difference in form that runs through OpenAI's two APIs. */
import { asObject, asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";

/** What Chat Completions has in an object under the name of its type stands beside the type in Responses. */
export function flat({ type, ...members }: JsonObject): JsonObject {
  const { [asText(type)]: inner, ...others } = members;
  return { type, ...others, ...asObject(inner) };
}
