/** Owns JSON that callers put into fields of the types: schemas, formats and native pieces. */
import { GatewayError } from "#platform/errors.ts";
import { isObject, textOf, type JsonObject } from "./json-access.ts";

/** The object. Throws INVALID_REQUEST with the field when it is none. */
export function parseEmbeddedJson(json: string | Uint8Array, field: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(typeof json === "string" ? json : textOf(json));
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  const description = "must be a JSON object";
  throw new GatewayError("INVALID_REQUEST", `${field} ${description}.`, { fieldViolations: [{ field, description }] });
}
