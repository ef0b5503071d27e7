/**
 * Owns JSON Schemas for vendors that hold a model to a part of JSON Schema alone and refuse a schema that says more (Anthropic,
 * Bedrock). What they cannot hold it to is told to the model in the description, as Anthropic's own SDK does (`transformJSONSchema`).
 * Sources: https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations and
 * https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html.
 */
import type { Warnings } from "./warnings.ts";
import { isObject, type JsonObject } from "./vendor-json.ts";

/** The schema as far as a model can be held to it. */
export function heldSchema(schema: JsonObject, field: string, warnings: Pick<Warnings, "add">): JsonObject {
  const relaxed = new Set<string>();
  const held = hold(schema, relaxed) as JsonObject;
  if (relaxed.size > 0) warnings.add(field, `the model cannot be held to ${[...relaxed].toSorted().join(", ")}; the descriptions tell it instead.`);
  return held;
}

function hold(schema: unknown, relaxed: Set<string>): unknown {
  if (!isObject(schema)) return schema;
  const held: Record<string, unknown> = {};
  const told: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === "$schema") continue;
    if (cannotHold(name, value, schema)) told[name] = value;
    else held[name] = holdMember(name, value, relaxed);
  }
  if (describesObject(schema)) held["additionalProperties"] = false;
  for (const name of Object.keys(told)) relaxed.add(name);
  return withTold(widened(held, relaxed), told);
}

function holdMember(name: string, value: unknown, relaxed: Set<string>): unknown {
  if (mapsOfSchemas.has(name) && isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, schema]) => [key, hold(schema, relaxed)]));
  if (!schemas.has(name)) return value;
  return Array.isArray(value) ? value.map((schema) => hold(schema, relaxed)) : hold(value, relaxed);
}

/** Of alternatives that exclude each other, the model is held to any. */
function widened({ oneOf, ...held }: JsonObject, relaxed: Set<string>): JsonObject {
  if (oneOf === undefined) return held;
  relaxed.add("oneOf");
  return { anyOf: oneOf, ...held };
}

function withTold(held: JsonObject, told: JsonObject): JsonObject {
  if (Object.keys(told).length === 0) return held;
  const { description } = held;
  const words = JSON.stringify(told);
  return { ...held, description: typeof description === "string" && description !== "" ? `${description}\n\n${words}` : words };
}

function cannotHold(name: string, value: unknown, schema: JsonObject): boolean {
  if (name === "additionalProperties") return describesObject(schema) && value !== false;
  if (name === "minItems") return value !== 0 && value !== 1;
  if (name === "format") return typeof value !== "string" || !formats.has(value);
  return beyondHold.has(name);
}

function describesObject({ type, properties }: JsonObject): boolean {
  return type === "object" || (Array.isArray(type) && type.includes("object")) || properties !== undefined;
}

const mapsOfSchemas: ReadonlySet<string> = new Set(["properties", "$defs", "definitions"]);
const schemas: ReadonlySet<string> = new Set(["items", "anyOf", "allOf", "oneOf"]);
const formats: ReadonlySet<string> = new Set(["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]);
const beyondHold: ReadonlySet<string> = new Set(
  (
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems contains minContains maxContains " +
    "minProperties maxProperties patternProperties propertyNames unevaluatedProperties not if then else dependentRequired dependentSchemas"
  ).split(" "),
);
