/** Owns the reading of a caller's JSON: every field is either taken, refused with its path, or noted as unknown. */
import { GatewayError } from "#platform/errors.ts";
import { furtherUnknownFields } from "../../domain/budget/generation-extent.ts";
import type { JsonObject } from "../../domain/dialect.ts";

/** The most unknown fields that are noted; a body with more of them is not explained better by a longer list. */
const maximumUnknownFields = 64;

/** The fields that types cannot carry, each once, places in lists written as `[]`. */
export class UnknownFields {
  readonly #paths = new Set<string>();

  add(path: string): void {
    const inLists = path.replaceAll(/\[\d+\]/g, "[]");
    this.#paths.add(this.#paths.has(inLists) || this.#paths.size < maximumUnknownFields ? inLists : furtherUnknownFields);
  }

  get paths(): readonly string[] {
    return [...this.#paths];
  }
}

/** The other name by which a member may be sent. */
export type OtherSpelling = (name: string) => string;

/** One JSON object of the body. A member that is null counts as absent, as vendors have it. */
export class RequestFields {
  readonly path: string;
  readonly #object: JsonObject;
  readonly #unknown: UnknownFields;
  readonly #otherSpelling: OtherSpelling | undefined;
  readonly #taken = new Set<string>();

  /** Throws INVALID_REQUEST when the value is no object. */
  constructor(value: unknown, path: string, unknown: UnknownFields, otherSpelling?: OtherSpelling) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalidField(path, "must be an object");
    this.#object = value as JsonObject;
    this.path = path;
    this.#unknown = unknown;
    this.#otherSpelling = otherSpelling;
  }

  pathOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  take(name: string): unknown {
    this.#taken.add(name);
    const value = this.#object[name] ?? undefined;
    if (this.#otherSpelling === undefined) return value;
    const other = this.#otherSpelling(name);
    this.#taken.add(other);
    return value ?? this.#object[other] ?? undefined;
  }

  /** The member without taking it. */
  peek(name: string): unknown {
    return this.#object[name] ?? this.#object[this.#otherSpelling?.(name) ?? name] ?? undefined;
  }

  /** The members that nobody took so far. */
  untaken(): [name: string, value: unknown][] {
    return Object.entries(this.#object).filter(([name, value]) => value !== null && !this.#taken.has(name));
  }

  text(name: string): string | undefined {
    const value = this.take(name);
    if (value !== undefined && typeof value !== "string") throw invalidField(this.pathOf(name), "must be text");
    return value;
  }

  requiredText(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw invalidField(this.pathOf(name), "is missing");
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.take(name);
    if (value !== undefined && typeof value !== "boolean") throw invalidField(this.pathOf(name), "must be true or false");
    return value;
  }

  number(name: string): number | undefined {
    const value = this.take(name);
    if (value !== undefined && typeof value !== "number") throw invalidField(this.pathOf(name), "must be a number");
    return value;
  }

  integer(name: string): bigint | undefined {
    const value = this.number(name);
    if (value === undefined) return undefined;
    if (!Number.isSafeInteger(value) || value < 0) throw invalidField(this.pathOf(name), "must be a whole number, 0 or more");
    return BigInt(value);
  }

  /** A whole number that fits 32 bits. */
  int32(name: string): number | undefined {
    const value = this.number(name);
    if (value !== undefined && (value | 0) !== value) throw invalidField(this.pathOf(name), "must be a whole number that fits 32 bits");
    return value;
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.take(name);
    if (value !== undefined && !Array.isArray(value)) throw invalidField(this.pathOf(name), "must be a list");
    return value;
  }

  texts(name: string): string[] | undefined {
    return this.list(name)?.map((value, index) => {
      if (typeof value !== "string") throw invalidField(`${this.pathOf(name)}[${index}]`, "must be text");
      return value;
    });
  }

  object(name: string): RequestFields | undefined {
    const value = this.take(name);
    return value === undefined ? undefined : new RequestFields(value, this.pathOf(name), this.#unknown, this.#otherSpelling);
  }

  objects(name: string): RequestFields[] | undefined {
    return this.list(name)?.map((value, index) => new RequestFields(value, `${this.pathOf(name)}[${index}]`, this.#unknown, this.#otherSpelling));
  }

  /** Takes the member that the caller must send. */
  requiredObject(name: string): RequestFields {
    const value = this.object(name);
    if (value === undefined) throw invalidField(this.pathOf(name), "is missing");
    return value;
  }

  /** The whole object in JSON, for a piece that is kept as it came. */
  json(): Uint8Array {
    return Buffer.from(JSON.stringify(this.#object));
  }

  /** Notes that types cannot carry this member (or, for a member with a value of its own, this value). */
  noteUnknown(name: string): void {
    this.#unknown.add(this.pathOf(name));
  }

  /** Notes every member that nobody took. Call it last. */
  noteRest(): void {
    for (const [name] of this.untaken()) this.noteUnknown(name);
  }
}

/** An INVALID_REQUEST that names the field at fault. */
export function invalidField(path: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${path === "" ? "The body" : path} ${description}.`, {
    fieldViolations: [{ field: path, description }],
  });
}

/** The size of a page that was asked for. Throws INVALID_REQUEST beyond the most. */
export function readPageLimit(text: string | null, most: number, usual = most): number {
  if (text === null) return usual;
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > most) throw invalidField("limit", `must be a whole number from 1 to ${most}`);
  return limit;
}
