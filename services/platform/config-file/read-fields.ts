/** Owns the way from a YAML tree to protojson: every key and value is held against the message's descriptor, and every fault is kept. */
import type { DescField, DescMessage, JsonValue } from "@bufbuild/protobuf";
import { create, fromJson, ScalarType, toJson } from "@bufbuild/protobuf";
import { isMap, isScalar, isSeq, type Node, Scalar, type YAMLMap } from "yaml";
import type { ConfigProblem } from "./config-file-error.ts";
import { entryPath, fieldPath, itemPath } from "./field-path.ts";
import { nearestKey } from "./nearest-key.ts";
import { type Environment, substitute } from "./substitute.ts";
import type { YamlTree } from "./yaml-tree.ts";

export interface FieldsReading {
  /** The message as protojson, by the names of the proto. A faulty field is left out, a faulty list item is at its default. */
  readonly json: JsonValue;
  readonly problems: readonly ConfigProblem[];
  /** The places that take something from a variable that is not set, and may: text stands there as it is written, anything else is left out. */
  readonly unset: readonly string[];
  /** Where each place (see field-path.ts) stands in the file. */
  readonly positions: ReadonlyMap<string, Position>;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

// Aliases can make a small file large, and a circle endless: what is read counts, not what is written.
const maximumNodes = 100_000;
const maximumDepth = 64;

/** Where `${NAME}` is looked up, and the fields for which it need not be there. */
export interface Variables {
  readonly environment: Environment;
  readonly mayLack: (field: string) => boolean;
}

/**
 * Reads the tree as a message of this schema. Keys may be in snake_case or camelCase; text may hold `${NAME}`.
 * Not supported in a schema: google.protobuf.Any, Struct, Value and ListValue, and maps whose keys are no text.
 */
export function readFields(tree: YamlTree, schema: DescMessage, variables: Variables): FieldsReading {
  const reader = new FieldsReader(tree, variables);
  return { json: reader.readFile(schema), problems: reader.problems, unset: reader.unset, positions: reader.positions };
}

/** What a reader below returns when it found a fault and has reported it. */
type Faulty = undefined;

class FieldsReader {
  readonly problems: ConfigProblem[] = [];
  readonly unset: string[] = [];
  readonly positions = new Map<string, Position>();
  readonly #tree: YamlTree;
  readonly #variables: Variables;
  #nodesRead = 0;
  #depth = 0;

  constructor(tree: YamlTree, variables: Variables) {
    this.#tree = tree;
    this.#variables = variables;
  }

  readFile(schema: DescMessage): JsonValue {
    const { root } = this.#tree;
    if (root === undefined || isEmpty(root)) return {};
    try {
      return this.#readMessage(schema, root, "") ?? {};
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error;
      this.#report(error.path, error.message);
      return {};
    }
  }

  #readMessage(schema: DescMessage, node: Node, path: string): JsonValue | Faulty {
    return this.#readMap(node, path, "fields", (map) => {
      const fields: [string, JsonValue][] = [];
      const filledOneofs = new Map<string, string>();
      for (const { key, keyNode, value } of this.#entries(map)) {
        const field = schema.fields.find(({ name, jsonName }) => name === key || jsonName === key);
        const place = fieldPath(path, field?.name ?? key);
        if (!this.#locateOnce(place, keyNode)) continue;
        if (field === undefined) {
          this.#report(place, `is not known; ${describeKnown(key, schema)}`);
          continue;
        }
        if (isEmpty(value)) continue;
        const rival = field.oneof === undefined ? undefined : filledOneofs.get(field.oneof.name);
        if (rival !== undefined) {
          this.#report(place, `cannot be given together with ${rival}`);
          continue;
        }
        if (field.oneof !== undefined) filledOneofs.set(field.oneof.name, field.name);
        const json = this.#readField(field, value, place);
        if (json !== undefined) fields.push([field.name, json]);
      }
      return Object.fromEntries(fields);
    });
  }

  #readField(field: DescField, node: Node, path: string): JsonValue | Faulty {
    if (field.fieldKind === "list") return this.#readList(field, node, path);
    if (field.fieldKind === "map") return this.#readEntries(field, node, path);
    return this.#readValue(field, node, path, (value) => ({ [field.name]: value }));
  }

  #readList(field: DescField & { fieldKind: "list" }, node: Node, path: string): JsonValue | Faulty {
    if (!isSeq<Node>(node)) return this.#report(path, "must be a list: each item on a line of its own, after a dash");
    return node.items.map((item, index) => {
      const place = itemPath(path, index);
      this.#locate(place, item);
      const json = this.#readValue(field, this.#tree.resolve(item), place, (value) => ({ [field.name]: [value] }));
      // Its default keeps a faulty item's place, so that those behind it are reported by their right numbers.
      return json ?? defaultOf(field);
    });
  }

  #readEntries(field: DescField & { fieldKind: "map" }, node: Node, path: string): JsonValue | Faulty {
    return this.#readMap(node, path, "names", (map) => {
      const entries: [string, JsonValue][] = [];
      for (const { key, keyNode, value } of this.#entries(map)) {
        const place = entryPath(path, key);
        if (!this.#locateOnce(place, keyNode)) continue;
        const json = this.#readValue(field, value, place, (content) => ({ [field.name]: { [key]: content } }));
        if (json !== undefined) entries.push([key, json]);
      }
      return Object.fromEntries(entries);
    });
  }

  /** One value; `inField` makes the JSON of a message that has this value alone, by which protobuf judges it. */
  #readValue(field: DescField, node: Node, path: string, inField: (value: JsonValue) => JsonValue): JsonValue | Faulty {
    this.#count(path);
    if (isEmpty(node)) return this.#report(path, "has no value");
    if (field.message !== undefined && !isWrittenAsScalar(field.message)) return this.#readMessage(field.message, node, path);
    if (!isScalar(node)) return this.#report(path, describeExpected(field));
    const json = this.#readScalar(field, node.value, path);
    if (json === undefined) return undefined;
    try {
      fromJson(field.parent, inField(json));
      return json;
    } catch {
      // The library's message quotes the value, which may be a secret.
      return this.#report(path, describeExpected(field));
    }
  }

  #readScalar(field: DescField, value: unknown, path: string): JsonValue | Faulty {
    if (typeof value === "bigint") return is64Bit(field) ? String(value) : Number(value);
    if (typeof value === "number" || typeof value === "boolean") return value;
    if (typeof value !== "string") return this.#report(path, describeExpected(field));
    const { environment, mayLack } = this.#variables;
    const { text, problems, unset } = substitute(value, environment);
    const faults = mayLack(path) ? problems : [...problems, ...unset];
    for (const fault of faults) this.#report(path, fault);
    if (faults.length > 0) return undefined;
    if (unset.length > 0) {
      this.unset.push(path);
      return field.scalar === ScalarType.STRING ? value : undefined;
    }
    // What was substituted is never read as YAML, but a switch can be set from the environment.
    if (field.scalar === ScalarType.BOOL && text !== value && /^(true|false)$/.test(text)) return text === "true";
    return text;
  }

  #readMap(node: Node, path: string, content: string, read: (map: YAMLMap<Node, Node | null>) => JsonValue): JsonValue | Faulty {
    if (!isMap<Node, Node | null>(node)) return this.#report(path, `must hold ${content}, each on a line of its own as "name: value"`);
    if (this.#depth === maximumDepth) throw new TooLargeError(path, "is nested too deeply");
    this.#depth++;
    const json = read(node);
    this.#depth--;
    return json;
  }

  *#entries(map: YAMLMap<Node, Node | null>): Generator<{ key: string; keyNode: Node; value: Node }> {
    for (const { key, value } of map.items) {
      this.#count("");
      yield { key: isScalar(key) ? String(key.value) : "", keyNode: key, value: value === null ? emptyNode : this.#tree.resolve(value) };
    }
  }

  #count(path: string): void {
    this.#nodesRead++;
    if (this.#nodesRead > maximumNodes) throw new TooLargeError(path, `makes the file too large: it may hold ${maximumNodes} values, those behind aliases included`);
  }

  #locate(path: string, node: Node): void {
    this.positions.set(path, this.#tree.positionOf(node));
  }

  /** False, and reported, when the place was given before. */
  #locateOnce(path: string, node: Node): boolean {
    const first = this.positions.get(path);
    this.#locate(path, node);
    if (first !== undefined) this.#report(path, `is given twice, first in line ${first.line}`);
    return first === undefined;
  }

  #report(path: string, message: string): Faulty {
    this.problems.push({ ...(this.positions.get(path) ?? this.#tree.positionOf(this.#tree.root)), field: path, message });
    return undefined;
  }
}

class TooLargeError extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

const emptyNode = new Scalar(null);

function isEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null;
}

/** True for the types of protobuf itself that stand as one value, such as Duration. */
function isWrittenAsScalar(message: DescMessage): boolean {
  return message.file.proto.package === "google.protobuf";
}

function describeKnown(key: string, schema: DescMessage): string {
  const known = schema.fields.map(({ name }) => name);
  const nearest = nearestKey(key, known);
  return nearest === undefined ? `known here: ${known.join(", ")}` : `did you mean ${nearest}?`;
}

function describeExpected(field: DescField): string {
  if (field.enum !== undefined) return `must be one of ${field.enum.values.map(({ name }) => name).join(", ")}`;
  switch (field.message?.typeName) {
    case undefined:
      return describeExpectedScalar(field);
    case "google.protobuf.Duration":
      return "must be a duration in seconds, such as 10s or 0.5s";
    case "google.protobuf.Timestamp":
      return "must be a time such as 2026-01-31T12:00:00Z";
    default:
      return `must be a ${field.message?.typeName}`;
  }
}

function describeExpectedScalar(field: DescField): string {
  switch (field.scalar) {
    case ScalarType.STRING:
      return "must be text; put it in quotes";
    case ScalarType.BOOL:
      return "must be true or false";
    case ScalarType.BYTES:
      return "must be bytes in base64";
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return "must be a number";
    default:
      return "must be a whole number, in digits alone";
  }
}

function is64Bit({ scalar }: DescField): boolean {
  return scalar !== undefined && [ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64, ScalarType.FIXED64, ScalarType.SFIXED64].includes(scalar);
}

function defaultOf(field: DescField): JsonValue {
  if (field.message !== undefined) return isWrittenAsScalar(field.message) ? toJson(field.message, create(field.message)) : {};
  if (field.enum !== undefined) return field.enum.values[0]?.number ?? 0;
  if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) return "";
  return field.scalar === ScalarType.BOOL ? false : 0;
}
