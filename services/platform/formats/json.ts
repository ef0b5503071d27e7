/** Owns JSON at the door: parsing that says where a fault is, and splicing of single values into bytes that else stay as they came. */
import { GatewayError } from "../errors.ts";
import { boundJsonValues } from "./value-bound.ts";

/** A batch of 100,000 short requests, the most that Anthropic takes, has 900,000. */
const mostValues = 1_000_000;

/** The parsed object. Throws MALFORMED_BODY with line and column, INVALID_REQUEST when the value is no object, or BODY_TOO_LARGE when it holds more values than that. */
export function parseJsonObject(body: Uint8Array, most = mostValues): { readonly [key: string]: unknown } {
  boundJsonValues(body, most);
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(text);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new GatewayError("INVALID_REQUEST", "The body must be a JSON object.");
  }
  return value as { readonly [key: string]: unknown };
}

function malformed(text: string): GatewayError {
  const fault = findFault(text);
  const lineStart = text.lastIndexOf("\n", fault - 1) + 1;
  let lineNumber = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < fault; at = text.indexOf("\n", at + 1)) lineNumber++;
  const line = String(lineNumber);
  const column = String(fault - lineStart + 1);
  return new GatewayError("MALFORMED_BODY", `The body is not valid JSON: fault at line ${line}, column ${column}.`, {
    metadata: { line, column },
  });
}

const markOrScalar = /([{}[\],:])|(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![\w.+-])/y;
const space = /[ \t\r\n]*/y;

/**
 * Where text that JSON.parse refuses stops being JSON; JSON.parse itself tells it only at times.
 * Walks through the tokens with what may come next: a value, a member's name, its colon, or what follows a value.
 */
function findFault(text: string): number {
  const containers: string[] = [];
  let expected: "value" | "first value" | "name" | "first name" | "colon" | "rest" = "value";
  for (let at = 0; ; ) {
    space.lastIndex = at;
    space.test(text);
    const fault = space.lastIndex;
    const isString = text[fault] === '"';
    markOrScalar.lastIndex = fault;
    const match = isString ? undefined : markOrScalar.exec(text);
    const end = isString ? endOfText(text, fault) : markOrScalar.lastIndex;
    if (match === null || end < 0) return fault;
    const mark = match?.[1];
    const isValue = mark === undefined || mark === "{" || mark === "[";
    const closes = mark === "}" || mark === "]";
    const mayClose = expected === "rest" || (mark === "]" ? expected === "first value" : expected === "first name");
    if (closes) {
      if (!mayClose || containers.pop() !== mark) return fault;
      expected = "rest";
    } else if (expected === "value" || expected === "first value") {
      if (!isValue) return fault;
      if (mark !== undefined) containers.push(mark === "{" ? "}" : "]");
      expected = mark === "{" ? "first name" : mark === "[" ? "first value" : "rest";
    } else if (expected === "name" || expected === "first name") {
      if (!isString) return fault;
      expected = "colon";
    } else if (expected === "colon") {
      if (mark !== ":") return fault;
      expected = "value";
    } else {
      if (mark !== "," || containers.length === 0) return fault;
      expected = containers.at(-1) === "}" ? "name" : "value";
    }
    at = end;
  }
}

/**
 * The offset behind the string that begins here, or -1 when it is cut short or holds what a string may not.
 * By hand, because a long string exhausts the stack of a regular expression.
 */
function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code < 32) return -1;
    if (code !== backslash) continue;
    at++;
    if (text[at] === "u" && /^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5))) at += 4;
    else if (!'"\\/bfnrt'.includes(text[at] ?? " ")) return -1;
  }
  return -1;
}

/** Members of a top-level object to set; `undefined` leaves a member as it is. */
export type JsonSplices = Readonly<Record<string, unknown>>;

/** In the place of a member's value: members to set in the object that it is. Where it is none, it becomes one. */
export class InnerSplices {
  readonly members: JsonSplices;

  constructor(members: JsonSplices) {
    this.members = members;
  }
}

/** In the place of a member's value: elements to put into the array that it is, in front of what stands at their index. Where it is none, it becomes one of them. */
export class InsertedElements {
  readonly elements: readonly InsertedElement[];

  /** In the order of their indexes; one that is beyond the array's end comes last. */
  constructor(elements: readonly InsertedElement[]) {
    this.elements = elements;
  }
}

export interface InsertedElement {
  readonly index: number;
  readonly value: unknown;
}

/**
 * The same JSON object with some top-level members set, every other byte untouched.
 * The body must be valid JSON (see parseJsonObject). Throws INVALID_REQUEST when a member to set stands twice in it,
 * because readers differ in which one counts.
 */
export function spliceJson(body: Uint8Array, splices: JsonSplices): Uint8Array {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const absent = new Map<string, unknown>();
  for (const name in splices) if (splices[name] !== undefined) absent.set(name, splices[name]);
  const { places, closingBrace, isEmpty } = findMembers(source, absent);
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const { name, start, end } of places) {
    pieces.push(source.subarray(offset, start), splicedValue(source.subarray(start, end), absent.get(name)));
    absent.delete(name);
    offset = end;
  }
  if (absent.size > 0) {
    const additions = [...absent].map(([name, value]) => `${JSON.stringify(name)}:${writtenAnew(value)}`);
    pieces.push(source.subarray(offset, closingBrace), Buffer.from((isEmpty ? "" : ",") + additions.join(",")));
    offset = closingBrace;
  }
  pieces.push(source.subarray(offset));
  return Buffer.concat(pieces);
}

function splicedValue(present: Buffer, value: unknown): Uint8Array {
  if (value instanceof InnerSplices && present[0] === openBrace) return spliceJson(present, value.members);
  if (value instanceof InsertedElements && present[0] === openBracket) return insertElements(present, value);
  return Buffer.from(writtenAnew(value));
}

function writtenAnew(value: unknown): string {
  if (value instanceof InsertedElements) return JSON.stringify(value.elements.map((element) => element.value));
  if (!(value instanceof InnerSplices)) return JSON.stringify(value);
  const members = Object.entries(value.members).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${writtenAnew(member)}`).join(",")}}`;
}

function insertElements(source: Buffer, { elements }: InsertedElements): Uint8Array {
  const pieces: Uint8Array[] = [];
  const waiting = [...elements];
  let copied = 0;
  let behindLast = 1;
  let at = skipSpace(source, 1);
  for (let index = 0; source[at] !== closeBracket; index++) {
    while (waiting.length > 0 && waiting[0]!.index <= index) {
      pieces.push(source.subarray(copied, at), Buffer.from(`${JSON.stringify(waiting.shift()!.value)},`));
      copied = at;
    }
    behindLast = endOfValue(source, at);
    at = skipSpace(source, behindLast);
    if (source[at] === comma) at = skipSpace(source, at + 1);
  }
  const isEmpty = behindLast === 1;
  const rest = waiting.map(({ value }, place) => `${isEmpty && place === 0 ? "" : ","}${JSON.stringify(value)}`);
  pieces.push(source.subarray(copied, behindLast), Buffer.from(rest.join("")), source.subarray(behindLast));
  return Buffer.concat(pieces);
}

/**
 * The same JSON object in pieces, with members set in each object of the array that a top-level member is, every other byte untouched. Between
 * the pieces there is time for others, as they may be many.
 * The body must be valid JSON (see parseJsonObject). Throws INVALID_REQUEST as `spliceJson` does.
 */
export function* spliceElements(body: Uint8Array, name: string, splices: JsonSplices): Generator<Uint8Array> {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const [place] = findMembers(source, new Map([[name, undefined]])).places;
  let copied = 0;
  if (place !== undefined && source[place.start] === openBracket) {
    for (let at = skipSpace(source, place.start + 1); source[at] !== closeBracket; ) {
      const end = endOfValue(source, at);
      if (source[at] === openBrace) {
        yield source.subarray(copied, at);
        yield spliceJson(source.subarray(at, end), splices);
        copied = end;
      }
      at = skipSpace(source, end);
      if (source[at] === comma) at = skipSpace(source, at + 1);
    }
  }
  yield source.subarray(copied);
}

/**
 * The same JSON object without a top-level member, every other byte untouched.
 * The body must be valid JSON (see parseJsonObject). Throws INVALID_REQUEST when the member stands twice in it.
 */
export function withoutMember(body: Uint8Array, name: string): Uint8Array {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const [place] = findMembers(source, new Map([[name, undefined]])).places;
  if (place === undefined) return body;
  const next = skipSpace(source, place.end);
  // With the member goes the comma behind it, or behind the last one the comma before it.
  if (source[next] === comma) return Buffer.concat([source.subarray(0, place.nameStart), source.subarray(skipSpace(source, next + 1))]);
  const commaBefore = source.lastIndexOf(comma, place.nameStart);
  const isAlone = commaBefore < 0;
  return Buffer.concat([source.subarray(0, isAlone ? place.nameStart : commaBefore), source.subarray(place.end)]);
}

interface MemberPlaces {
  /** The values of the members that were looked for, in their order, and where their names begin. */
  readonly places: readonly { readonly name: string; readonly nameStart: number; readonly start: number; readonly end: number }[];
  readonly closingBrace: number;
  readonly isEmpty: boolean;
}

const quote = 34;
const backslash = 92;
const comma = 44;
const openBrace = 123;
const closeBrace = 125;
const openBracket = 91;
const closeBracket = 93;

function findMembers(source: Buffer, wanted: ReadonlyMap<string, unknown>): MemberPlaces {
  const places: { name: string; nameStart: number; start: number; end: number }[] = [];
  let isEmpty = true;
  let at = skipSpace(source, source.indexOf(openBrace) + 1);
  while (source[at] !== closeBrace) {
    isEmpty = false;
    if (source[at] === comma) at = skipSpace(source, at + 1);
    const nameStart = at;
    const nameEnd = endOfString(source, at);
    const written = source.toString("utf8", at + 1, nameEnd - 1);
    const name = written.includes("\\") ? (JSON.parse(`"${written}"`) as string) : written;
    const start = skipSpace(source, skipSpace(source, nameEnd) + 1);
    const end = endOfValue(source, start);
    if (wanted.has(name)) {
      if (places.some((place) => place.name === name)) throw new GatewayError("INVALID_REQUEST", `The body has the member "${name}" twice; send it once.`);
      places.push({ name, nameStart, start, end });
    }
    at = skipSpace(source, end);
  }
  return { places, closingBrace: at, isEmpty };
}

function skipSpace(source: Buffer, at: number): number {
  for (;;) {
    const byte = source[at];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return at;
    at++;
  }
}

function endOfString(source: Buffer, start: number): number {
  for (let at = source.indexOf(quote, start + 1); ; at = source.indexOf(quote, at + 1)) {
    let backslashes = 0;
    while (source[at - 1 - backslashes] === backslash) backslashes++;
    if (backslashes % 2 === 0) return at + 1;
  }
}

function endOfValue(source: Buffer, start: number): number {
  const first = source[start];
  if (first === quote) return endOfString(source, start);
  if (first === openBrace || first === openBracket) return endOfContainer(source, start);
  let at = start;
  for (;;) {
    const byte = source[at];
    if (byte === comma || byte === closeBrace || byte === closeBracket || byte === 32 || byte === 10 || byte === 13 || byte === 9) return at;
    at++;
  }
}

function endOfContainer(source: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; ; ) {
    const byte = source[at];
    if (byte === quote) {
      at = endOfString(source, at);
      continue;
    }
    if (byte === openBrace || byte === openBracket) depth++;
    if (byte === closeBrace || byte === closeBracket) {
      depth--;
      if (depth === 0) return at + 1;
    }
    at++;
  }
}
