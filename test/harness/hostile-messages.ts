/** Owns messages with which no client of good will comes: each of one type, with a hostile value in one of its fields, at any depth. */
import { create, ScalarType, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { DurationSchema, FieldMaskSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** How deep messages in messages are made; those of contracts that hold themselves have no end. */
const maximumDepth = 4;
const longList = 3_000;

const texts = ["x", "\0", "a".repeat(300), "😀".repeat(200), "' OR 1=1 --", "../../etc/passwd", "{}", "\u202e", "9".repeat(400), "2026-13-45", "AAAA"];
const wholes = [1, -1, 2_147_483_647, -2_147_483_648];
const longs = [1n, -1n, 10n ** 15n, 2n ** 63n - 1n, -(2n ** 63n)];
const fractions = [NaN, Infinity, -1, 1e300];

/** Of well-known types, what their own rules forbid, too. */
const wellKnown: ReadonlyMap<string, readonly object[]> = new Map<string, readonly object[]>([
  [TimestampSchema.typeName, [{}, { seconds: -62_135_596_800n }, { seconds: 253_402_300_799n, nanos: 999_999_999 }, { seconds: 2n ** 62n }, { seconds: 1n, nanos: -5 }]],
  [DurationSchema.typeName, [{}, { seconds: -1n }, { seconds: 315_576_000_000n }, { seconds: 2n ** 62n }, { seconds: 1n, nanos: -5 }]],
  [FieldMaskSchema.typeName, [{}, { paths: [""] }, { paths: ["nothing"] }, { paths: ["id"] }, { paths: ["name", "name"] }, { paths: ["*"] }]],
]);

/** `known` are ids that there are, by the names of their fields: the other fields are then looked at, too. */
export function hostileMessages(schema: DescMessage, known: Readonly<Record<string, string>>, depth = 0): Message[] {
  const own = wellKnown.get(schema.typeName);
  if (own !== undefined) return own.map((members) => create(schema, members as never));
  const base = Object.fromEntries(schema.fields.filter(({ localName }) => localName in known).map(({ localName }) => [localName, known[localName]]));
  const made = schema.fields.flatMap((field) => valuesOf(field, known, depth).map((value) => create(schema, { ...base, ...membersOf(field, value) } as never)));
  return [create(schema), ...made];
}

function membersOf(field: DescField, value: unknown): object {
  return field.oneof === undefined ? { [field.localName]: value } : { [field.oneof.localName]: { case: field.localName, value } };
}

function valuesOf(field: DescField, known: Readonly<Record<string, string>>, depth: number): readonly unknown[] {
  if (field.fieldKind === "scalar") return scalars(field.scalar, known);
  if (field.fieldKind === "enum") return [1, 99, -1];
  if (field.fieldKind === "message") return messages(field.message, known, depth);
  if (field.fieldKind === "map") return field.mapKind === "scalar" && field.scalar === ScalarType.STRING ? [{ "": "x" }, { "\0": "y" }, { a: "z".repeat(10_000) }] : [];
  const items = field.listKind === "scalar" ? scalars(field.scalar, known) : field.listKind === "enum" ? [1, 99] : messages(field.message, known, depth);
  return items.length === 0 ? [] : [...items.map((item) => [item]), Array.from({ length: longList }, () => items[0])];
}

function messages(schema: DescMessage, known: Readonly<Record<string, string>>, depth: number): readonly Message[] {
  return depth === maximumDepth ? [] : hostileMessages(schema, known, depth + 1);
}

function scalars(scalar: ScalarType, known: Readonly<Record<string, string>>): readonly unknown[] {
  switch (scalar) {
    case ScalarType.STRING:
      return [...texts, ...Object.values(known)];
    case ScalarType.BYTES:
      return [new Uint8Array(40).fill(255), new Uint8Array(5_000)];
    case ScalarType.BOOL:
      return [true];
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return fractions;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return longs;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return [1n, 2n ** 64n - 1n];
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return [1, 2 ** 32 - 1];
    default:
      return wholes;
  }
}
