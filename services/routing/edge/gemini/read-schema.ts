/**
 * Owns the way from Gemini's `Schema` (a part of OpenAPI 3.0, with types in capitals) to JSON Schema.
 * Source: https://ai.google.dev/api/caching#Schema
 */
import type { JsonObject } from "../../domain/dialect.ts";
import { snakeCase } from "./fields.ts";

/** The deepest nesting that is translated; what lies below goes over as it came, so that no request can exhaust the stack. */
const maximumDepth = 128;

/** The same in JSON Schema. What is no schema of Gemini's stays as it came: the vendor will judge it. */
export function toJsonSchema(schema: unknown, depth = 0): unknown {
  if (!isObject(schema) || depth > maximumDepth) return schema;
  const members = camelCased(schema);
  const { type, nullable, propertyOrdering, example, ref, defs, ...rest } = members;
  const written: Record<string, unknown> = {};
  if (typeof type === "string") written["type"] = type.toLowerCase();
  else if (type !== undefined) written["type"] = type;
  for (const [name, value] of Object.entries(rest)) written[name] = readMember(name, value, depth);
  if (isObject(written["properties"]) && Array.isArray(propertyOrdering)) written["properties"] = ordered(written["properties"], propertyOrdering);
  if (example !== undefined) written["examples"] = [example];
  if (ref !== undefined) written["$ref"] = ref;
  if (isObject(defs)) written["$defs"] = mapValues(defs, (value) => toJsonSchema(value, depth + 1));
  return nullable === true ? orNull(written) : written;
}

function readMember(name: string, value: unknown, depth: number): unknown {
  if (counts.has(name)) return typeof value === "string" ? Number(value) : value;
  if (name === "properties" || name === "$defs") return isObject(value) ? mapValues(value, (property) => toJsonSchema(property, depth + 1)) : value;
  if (name === "items" || name === "additionalProperties") return toJsonSchema(value, depth + 1);
  if (name === "anyOf") return Array.isArray(value) ? value.map((one) => toJsonSchema(one, depth + 1)) : value;
  return value;
}

/** 64-bit numbers, which Google's JSON writes as text. */
const counts: ReadonlySet<string> = new Set(["minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"]);

/** Names of two words, which may come in the other spelling. */
const names: ReadonlyMap<string, string> = new Map([...counts, "anyOf", "propertyOrdering", "additionalProperties"].map((name) => [snakeCase(name), name]));

function camelCased(schema: JsonObject): Record<string, unknown> {
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [names.get(name) ?? name, value]));
}

function orNull(schema: Record<string, unknown>): unknown {
  const { type } = schema;
  if (typeof type !== "string") return { anyOf: [schema, { type: "null" }] };
  const choices = schema["enum"];
  return { ...schema, type: [type, "null"], ...(Array.isArray(choices) && !choices.includes(null) ? { enum: [...(choices as unknown[]), null] } : {}) };
}

/** JSON objects have no order, but models follow the one in which a schema is written. */
function ordered(properties: JsonObject, ordering: readonly unknown[]): JsonObject {
  const first = ordering.filter((name): name is string => typeof name === "string" && Object.hasOwn(properties, name));
  return Object.fromEntries([...new Set([...first, ...Object.keys(properties)])].map((name) => [name, properties[name]]));
}

function mapValues(members: JsonObject, map: (value: unknown) => unknown): JsonObject {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, map(value)]));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
