/** Owns the proof that a schema says to strict vendors only what they hold a model to, and to the model the rest. */
import { expect, test } from "vitest";
import { heldSchema } from "./held-schema.ts";
import type { JsonObject } from "./vendor-json.ts";

function held(schema: JsonObject) {
  const told: string[] = [];
  return { schema: heldSchema(schema, "f", { add: (_field, message) => void told.push(message) }), told };
}

test("closes objects, wherever they stand, and says nothing of it", () => {
  const inner = { type: "object", properties: { minimum: { type: ["string", "null"] } }, required: ["minimum"] };
  const closed = { ...inner, additionalProperties: false };
  expect(held({ $schema: "s", type: "object", properties: { a: inner, b: { type: "array", items: inner, minItems: 1 } }, $defs: { c: inner }, allOf: [{ $ref: "#/$defs/c" }] })).toEqual({
    schema: { type: "object", properties: { a: closed, b: { type: "array", items: closed, minItems: 1 } }, $defs: { c: closed }, allOf: [{ $ref: "#/$defs/c" }], additionalProperties: false },
    told: [],
  });
});

test("tells in the description what a model cannot be held to", () => {
  const schema = {
    type: "object",
    properties: { age: { type: "integer", minimum: 1, description: "in years" }, tags: { type: "array", minItems: 2 }, at: { type: "string", format: "date" }, to: { type: "string", format: "regex" } },
    additionalProperties: { type: "string" },
  };
  expect(held(schema)).toEqual({
    schema: {
      type: "object",
      properties: {
        age: { type: "integer", description: 'in years\n\n{"minimum":1}' },
        tags: { type: "array", description: '{"minItems":2}' },
        at: { type: "string", format: "date" },
        to: { type: "string", description: '{"format":"regex"}' },
      },
      additionalProperties: false,
      description: '{"additionalProperties":{"type":"string"}}',
    },
    told: ["the model cannot be held to additionalProperties, format, minItems, minimum; the descriptions tell it instead."],
  });
});

test("widens alternatives that exclude each other", () => {
  expect(held({ oneOf: [{ type: "string", maxLength: 2 }, { const: 1 }] })).toEqual({
    schema: { anyOf: [{ type: "string", description: '{"maxLength":2}' }, { const: 1 }] },
    told: ["the model cannot be held to maxLength, oneOf; the descriptions tell it instead."],
  });
});
