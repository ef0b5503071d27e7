/** Owns a JSON Schema for vendors whose form has no place for its description beside it. */
import { parseEmbeddedJson } from "./embedded-json.ts";
import type { JsonObject } from "./vendor-json.ts";

/** The schema with its description in it, unless it has one of its own. Throws INVALID_REQUEST when it is no JSON object. */
export function describedSchema(jsonSchema: string, description: string): JsonObject {
  const schema = parseEmbeddedJson(jsonSchema, "output_format.json_schema.json_schema");
  return description === "" ? schema : { description, ...schema };
}
