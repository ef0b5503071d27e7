/** Owns the proof that the JSON Schema says what the descriptor and its rules say. */
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { UsageSchema } from "#gen/weir/types/v1/usage_pb.ts";
import { jsonSchemaOf } from "./json-schema.ts";

const orReference = (schema: unknown): unknown => ({ anyOf: [schema, { $ref: "#/$defs/environment_reference" }] });

test("a configuration's schema has its fields, their rules and what they are for", () => {
  expect(jsonSchemaOf(ConfigSchema, ({ name }) => (name === "routes" ? "The routes." : ""))).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    additionalProperties: false,
    properties: {
      listen: { $ref: "#/$defs/weir.config.v1.Listen" },
      routes: {
        description: "The routes.",
        type: "object",
        maxProperties: 10000,
        propertyNames: { pattern: "^[A-Za-z0-9][A-Za-z0-9._:-]{0,126}$" },
        additionalProperties: { $ref: "#/$defs/weir.config.v1.Route" },
      },
    },
    $defs: {
      "weir.config.v1.Listen": { additionalProperties: false, properties: { admin_port: orReference({ type: "integer", minimum: 0, maximum: 65535 }) } },
      "weir.config.v1.Provider": {
        properties: {
          api_key: { type: "string" },
          models: { type: "array", uniqueItems: true, maxItems: 1000, items: orReference({ type: "string", minLength: 1 }) },
          only_listed_models: orReference({ type: "boolean" }),
          connect_timeout: orReference({ type: "string", pattern: "^-?[0-9]+([.][0-9]{1,9})?s$" }),
        },
      },
      "weir.config.v1.Limits": { properties: { max_body_bytes: orReference({ type: "integer", minimum: 1024, maximum: 536870912 }) } },
      "weir.config.v1.Logging": { properties: { level: orReference({ type: "string", enum: ["", "debug", "info", "warn", "error"] }) } },
    },
  });
});

test("an enum is its names", () => {
  expect(jsonSchemaOf(UsageSchema, () => "")).toMatchObject({
    properties: { source: orReference({ enum: expect.arrayContaining(["USAGE_SOURCE_ORPHANED", "USAGE_SOURCE_PROVIDER"]) }) },
  });
});
