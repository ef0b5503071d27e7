import { expect, test } from "vitest";
import { toJsonSchema } from "./read-schema.ts";

test.each([
  [{ type: "STRING", format: "enum", enum: ["a"] }, { type: "string", format: "enum", enum: ["a"] }],
  [{ type: "INTEGER", nullable: true }, { type: ["integer", "null"] }],
  [{ type: "STRING", enum: ["a"], nullable: true }, { type: ["string", "null"], enum: ["a", null] }],
  [{ anyOf: [{ type: "STRING" }, { type: "NUMBER" }], nullable: true }, { anyOf: [{ anyOf: [{ type: "string" }, { type: "number" }] }, { type: "null" }] }],
  [{ type: "ARRAY", items: { type: "BOOLEAN" }, minItems: "1", max_items: 3 }, { type: "array", items: { type: "boolean" }, minItems: 1, maxItems: 3 }],
  [{ type: "OBJECT", properties: { nullable: { type: "STRING" }, type: { type: "NULL" } } }, { type: "object", properties: { nullable: { type: "string" }, type: { type: "null" } } }],
  [{ type: "STRING", example: "Aare", description: "A river." }, { type: "string", examples: ["Aare"], description: "A river." }],
  [{ ref: "#/$defs/a", defs: { a: { type: "STRING" } } }, { $ref: "#/$defs/a", $defs: { a: { type: "string" } } }],
  [undefined, undefined],
  [7, 7],
])("%j", (schema, expected) => {
  expect(toJsonSchema(schema)).toEqual(expected);
});

test("properties stand in the order that is asked for", () => {
  const schema = { type: "OBJECT", properties: { a: {}, b: {}, c: {} }, propertyOrdering: ["c", "a", "gone"] };
  expect(JSON.stringify(toJsonSchema(schema))).toBe('{"type":"object","properties":{"c":{},"a":{},"b":{}}}');
});

test("a schema without a bottom exhausts nothing", () => {
  let schema: object = {};
  for (let depth = 0; depth < 100_000; depth++) schema = { items: schema };
  expect(toJsonSchema(schema)).toHaveProperty("items");
});
