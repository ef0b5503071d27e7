/** Owns messages as JSON for people and records: without the secrets that are in them. */
import { toJson, type DescField, type DescMessage, type JsonObject, type JsonValue, type Message } from "@bufbuild/protobuf";

/** What stands in the place of a value whose field says `debug_redact`. */
const redacted = "[redacted]";

export function redactedJson(schema: DescMessage, message: Message): JsonValue {
  return redactIn(schema, toJson(schema, message));
}

function redactIn(schema: DescMessage, json: JsonValue): JsonValue {
  if (!isObject(json)) return json;
  const fields = new Map(schema.fields.map((field) => [field.jsonName, field]));
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, redactField(fields.get(name), value)]));
}

function redactField(field: DescField | undefined, value: JsonValue): JsonValue {
  if (field === undefined) return value;
  if (field.proto.options?.debugRedact === true) return redacted;
  const { message } = field;
  if (message === undefined) return value;
  if (field.fieldKind === "list") return (value as JsonValue[]).map((entry) => redactIn(message, entry));
  if (field.fieldKind === "map") return Object.fromEntries(Object.entries(value as JsonObject).map(([key, entry]) => [key, redactIn(message, entry)]));
  return redactIn(message, value);
}

// Well-known types are other JSON than their fields would be; what of it is an object has no field that is redacted.
function isObject(json: JsonValue): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
