/** Owns the JSON Schema of a configuration file, by which editors complete and check it: descriptor and protovalidate rules in, schema out. */
import { type DescField, type DescMessage, getOption, type JsonObject, type JsonValue, ScalarType, toJson } from "@bufbuild/protobuf";
import { field as fieldRules, FieldRulesSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** Tells what a field is for, in a sentence or two; empty when nothing is known. */
export type Describe = (field: DescField) => string;

/**
 * The schema (draft 2020-12) of files that hold this message, written the recommended way: snake_case keys, numbers as numbers.
 * Where JSON Schema has no word for a rule (CEL, bounds of durations, lengths in bytes) it is laxer than the loader.
 */
export function jsonSchemaOf(message: DescMessage, describe: Describe): JsonObject {
  const writer = new SchemaWriter(describe);
  const file = writer.messageSchema(message);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: message.typeName,
    ...file,
    $defs: {
      environment_reference: {
        description: "A value that is taken from the environment.",
        type: "string",
        pattern: "[$][{][A-Za-z_][A-Za-z0-9_]*[}]",
      },
      ...Object.fromEntries(writer.definitions),
    },
  };
}

class SchemaWriter {
  readonly definitions = new Map<string, JsonObject>();
  readonly #describe: Describe;

  constructor(describe: Describe) {
    this.#describe = describe;
  }

  messageSchema(message: DescMessage): JsonObject {
    const properties = message.fields.map((field): [string, JsonObject] => {
      const description = this.#describe(field);
      return [field.name, { ...(description === "" ? {} : { description }), ...this.#fieldSchema(field) }];
    });
    return { type: "object", additionalProperties: false, properties: Object.fromEntries(properties) };
  }

  #fieldSchema(field: DescField): JsonObject {
    const rules = asObject(toJson(FieldRulesSchema, getOption(field, fieldRules)));
    if (field.fieldKind === "list") {
      const list = asObject(rules["repeated"]);
      return { type: "array", ...keywords(list, listKeywords), items: this.#valueSchema(field, asObject(list["items"])) };
    }
    if (field.fieldKind === "map") {
      const map = asObject(rules["map"]);
      const names = keywords(asObject(asObject(map["keys"])["string"]), stringKeywords);
      return {
        type: "object",
        ...keywords(map, mapKeywords),
        ...(isEmpty(names) ? {} : { propertyNames: names }),
        additionalProperties: this.#valueSchema(field, asObject(map["values"])),
      };
    }
    return this.#valueSchema(field, rules);
  }

  #valueSchema(field: DescField, rules: JsonObject): JsonObject {
    const { message } = field;
    if (message === undefined) return scalarSchema(field, rules);
    if (message.typeName === "google.protobuf.Duration") return orReference({ type: "string", pattern: "^-?[0-9]+([.][0-9]{1,9})?s$" });
    if (message.file.proto.package === "google.protobuf") return {};
    if (!this.definitions.has(message.typeName)) {
      // The entry stands before its fields are read, because a message can hold itself.
      this.definitions.set(message.typeName, {});
      this.definitions.set(message.typeName, this.messageSchema(message));
    }
    return { $ref: `#/$defs/${message.typeName}` };
  }
}

const stringKeywords = { minLen: "minLength", maxLen: "maxLength", pattern: "pattern", in: "enum" };
const numberKeywords = { gte: "minimum", gt: "exclusiveMinimum", lte: "maximum", lt: "exclusiveMaximum", in: "enum" };
const listKeywords = { minItems: "minItems", maxItems: "maxItems", unique: "uniqueItems" };
const mapKeywords = { minPairs: "minProperties", maxPairs: "maxProperties" };

/** The rules for which JSON Schema has a keyword. */
function keywords(rules: JsonObject, names: Readonly<Record<string, string>>): JsonObject {
  const known = Object.entries(rules).flatMap(([rule, value]): [string, JsonValue][] => {
    const keyword = names[rule];
    // Protojson writes 64-bit numbers as text.
    return keyword === undefined ? [] : [[keyword, typeof value === "string" && keyword !== "pattern" ? Number(value) : value]];
  });
  return Object.fromEntries(known);
}

function scalarSchema(field: DescField, rules: JsonObject): JsonObject {
  if (field.enum !== undefined) return orReference({ enum: field.enum.values.map(({ name }) => name) });
  switch (field.scalar) {
    case ScalarType.STRING: {
      const known = keywords(asObject(rules["string"]), stringKeywords);
      return isEmpty(known) ? { type: "string" } : orReference({ type: "string", ...known });
    }
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.BOOL:
      return orReference({ type: "boolean" });
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return orReference({ type: "number", ...numberRules(rules) });
    default:
      return orReference({ type: "integer", ...numberRules(rules) });
  }
}

/** The rules of a number stand under the name of its type: int32, int64, double, … */
function numberRules(rules: JsonObject): JsonObject {
  const ofType = Object.values(rules).find((value) => typeof value === "object" && value !== null);
  return keywords(asObject(ofType), numberKeywords);
}

function orReference(schema: JsonObject): JsonObject {
  return { anyOf: [schema, { $ref: "#/$defs/environment_reference" }] };
}

function asObject(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function isEmpty(object: JsonObject): boolean {
  return Object.keys(object).length === 0;
}
