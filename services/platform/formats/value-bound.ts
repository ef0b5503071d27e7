/** Owns how many values a caller's body may hold: one of two bytes takes a hundred once it is decoded, so a body within its bound in bytes could take all memory, and seconds of the one thread. */
import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { GatewayError } from "../errors.ts";

/** A digit and its comma, or the tag of a field and the length of nothing. */
const leastBytes = 2;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openList = 0x5b;
const openObject = 0x7b;

/** Throws BODY_TOO_LARGE when the JSON holds more: each value stands after a comma, or first in a list or an object. */
export function boundJsonValues(body: Uint8Array, most: number): void {
  if (body.length <= most * leastBytes) return;
  let values = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!;
    if (byte === quote) at = endOfString(body, at);
    else if ((byte === comma || byte === openList || byte === openObject) && ++values > most) throw tooMany(most);
  }
}

/** Where the string that begins here ends; beyond the body where it does not. */
function endOfString(body: Uint8Array, start: number): number {
  for (let at = body.indexOf(quote, start + 1); at >= 0; at = body.indexOf(quote, at + 1)) {
    let backslashes = 0;
    while (body[at - 1 - backslashes] === backslash) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return body.length;
}

/** Throws BODY_TOO_LARGE when the message, in Protobuf's binary form, holds more fields and elements of lists, those of inner messages included. */
export function boundMessageValues(schema: DescMessage, bytes: Uint8Array, most: number): void {
  if (bytes.length <= most * leastBytes) return;
  const counter = new FieldCounter(bytes, most);
  try {
    counter.countMessage(schema, bytes.length);
  } catch {
    // What is no such message is refused by whoever decodes it, who says why.
  }
  if (counter.left < 0) throw tooMany(most);
}

/** Deeper ones are not decoded. */
const deepestMessage = 100;
/** A number that stands packed takes a byte at the least, and eight as a number. */
const packedBytesPerValue = 8;
const entryValue = 2;

class FieldCounter {
  left: number;
  readonly #reader: BinaryReader;

  constructor(bytes: Uint8Array, most: number) {
    this.#reader = new BinaryReader(bytes);
    this.left = most;
  }

  countMessage(schema: DescMessage, end: number, depth = 0): void {
    const fields = fieldsOf(schema);
    this.#countFields(end, depth, (number, fieldEnd) => {
      const field = fields.get(number);
      if (field === undefined) return;
      if (field.fieldKind === "map") this.#countFields(fieldEnd, depth, (part, partEnd) => part === entryValue && field.message !== undefined && this.countMessage(field.message, partEnd, depth + 1));
      else if (field.message !== undefined) this.countMessage(field.message, fieldEnd, depth + 1);
      else if (isPackable(field)) this.left -= (fieldEnd - this.#reader.pos) / packedBytesPerValue;
    });
  }

  #countFields(end: number, depth: number, countInside: (number: number, fieldEnd: number) => void): void {
    const reader = this.#reader;
    while (reader.pos < end && depth < deepestMessage && this.left >= 0) {
      const [number, wireType] = reader.tag();
      this.left--;
      if (wireType !== WireType.LengthDelimited) {
        reader.skip(wireType, number);
        continue;
      }
      const fieldEnd = reader.uint32() + reader.pos;
      countInside(number, fieldEnd);
      reader.pos = fieldEnd;
    }
  }
}

function isPackable(field: DescField): boolean {
  return field.fieldKind === "list" && field.scalar !== ScalarType.STRING && field.scalar !== ScalarType.BYTES;
}

const fieldsBySchema = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(schema: DescMessage): ReadonlyMap<number, DescField> {
  let fields = fieldsBySchema.get(schema);
  if (fields === undefined) fieldsBySchema.set(schema, (fields = new Map(schema.fields.map((field) => [field.number, field]))));
  return fields;
}

function tooMany(most: number): GatewayError {
  return new GatewayError("BODY_TOO_LARGE", `The body holds more than ${most} values (texts, numbers, lists and objects). Send it in parts.`, { metadata: { limit_values: String(most) } });
}
