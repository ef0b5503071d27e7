/** Owns JSON that callers put into fields of the types: schemas, formats and native pieces. */
import { GatewayError } from "#platform/errors.ts";
import { parseExactJson } from "./exact-json.ts";
import { isObject, textOf, type JsonObject } from "./vendor-json.ts";

/** The object, with every number as it was written. Throws INVALID_REQUEST with the field when it is none. */
export function parseEmbeddedJson(json: string | Uint8Array, field: string): JsonObject {
  let value: unknown;
  try {
    value = parseExactJson(typeof json === "string" ? json : textOf(json));
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  const description = "must be a JSON object";
  throw new GatewayError("INVALID_REQUEST", `${field} ${description}.`, { fieldViolations: [{ field, description }] });
}
