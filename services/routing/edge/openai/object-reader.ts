/** Owns strict reading of a caller's JSON: every fault names its field, and every member that nobody read is remembered. */
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject } from "../../domain/dialect.ts";

/** The most unread members that are remembered; what is beyond says nothing new. */
const maximumUnreadMembers = 100;

/** Reads one object of a request. A `null` member counts as absent, as it does for OpenAI. */
export class ObjectReader {
  readonly path: string;
  readonly #members: JsonObject;
  readonly #read = new Set<string>();
  readonly #children: ObjectReader[] = [];

  constructor(members: JsonObject, path = "") {
    this.#members = members;
    this.path = path;
  }

  /** Whether the member is there and not null; does not count as reading it. */
  has(name: string): boolean {
    return (this.#members[name] ?? null) !== null;
  }

  /** The member as it came, undefined for null. */
  raw(name: string): unknown {
    this.#read.add(name);
    return this.#members[name] ?? undefined;
  }

  /** The whole object as it came; nothing of it is unread then. */
  rawMembers(): JsonObject {
    for (const name of Object.keys(this.#members)) this.#read.add(name);
    return this.#members;
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#refuse(name, "is missing; it must be a string");
  }

  optionalText(name: string): string | undefined {
    const value = this.raw(name);
    return value === undefined || typeof value === "string" ? value : this.#refuse(name, "must be a string");
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.raw(name);
    return value === undefined || typeof value === "boolean" ? value : this.#refuse(name, "must be true or false");
  }

  optionalNumber(name: string): number | undefined {
    const value = this.raw(name);
    return value === undefined || typeof value === "number" ? value : this.#refuse(name, "must be a number");
  }

  /** A whole number that fits 32 bits. */
  optionalInt32(name: string): number | undefined {
    const value = this.optionalNumber(name);
    return value === undefined || (value | 0) === value ? value : this.#refuse(name, "must be a whole number that fits 32 bits");
  }

  /** A whole number that JSON carries exactly. */
  optionalInt64(name: string): bigint | undefined {
    const value = this.optionalNumber(name);
    if (value === undefined) return undefined;
    return Number.isSafeInteger(value) ? BigInt(value) : this.#refuse(name, "must be a whole number below 2^53");
  }

  object(name: string): ObjectReader {
    return this.optionalObject(name) ?? this.#refuse(name, "is missing; it must be an object");
  }

  optionalObject(name: string): ObjectReader | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    return isObject(value) ? this.#child(value, this.pathOf(name)) : this.#refuse(name, "must be an object");
  }

  /** The objects of a list; empty when the list is absent. */
  objects(name: string): ObjectReader[] {
    return this.list(name).map((value, index) => {
      const element = `${name}[${index}]`;
      return isObject(value) ? this.#child(value, this.pathOf(element)) : this.#refuse(element, "must be an object");
    });
  }

  /** The strings of a list; empty when the list is absent. */
  texts(name: string): string[] {
    return this.list(name).map((value, index) => (typeof value === "string" ? value : this.#refuse(`${name}[${index}]`, "must be a string")));
  }

  list(name: string): readonly unknown[] {
    const value = this.raw(name) ?? [];
    return Array.isArray(value) ? (value as unknown[]) : this.#refuse(name, "must be a list");
  }

  textMap(name: string): Record<string, string> {
    return this.#map(name, (value): value is string => typeof value === "string", "must be a string");
  }

  numberMap(name: string): Record<string, number> {
    return this.#map(name, (value): value is number => typeof value === "number", "must be a number");
  }

  /** The refusal of a member for what its value is. */
  fault(name: string, description: string): GatewayError {
    const field = this.pathOf(name);
    return new GatewayError("INVALID_REQUEST", `${field} ${description}.`, { fieldViolations: [{ field, description }] });
  }

  /** The refusal of a value that is fine for OpenAI, but has no translation. */
  untranslatable(name: string, description: string): GatewayError {
    const field = this.pathOf(name);
    return new GatewayError("UNSUPPORTED_FIELD", `${field} ${description}.`, { metadata: { field } });
  }

  pathOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  /** Lets a member count as unread after all, because something of it was lost in the reading. */
  leaveUnread(name: string): void {
    this.#read.delete(name);
  }

  /** Paths of the members that nobody read, here and below, without indexes; each once. */
  unreadMembers(): string[] {
    const found = new Set<string>();
    this.#collectUnread(found);
    return [...found];
  }

  #collectUnread(found: Set<string>): void {
    for (const name of Object.keys(this.#members)) {
      if (found.size >= maximumUnreadMembers) return;
      if (this.has(name) && !this.#read.has(name)) found.add(this.pathOf(name).replaceAll(/\[\d+\]/g, "[]").slice(0, 200));
    }
    for (const child of this.#children) child.#collectUnread(found);
  }

  #child(members: JsonObject, path: string): ObjectReader {
    const child = new ObjectReader(members, path);
    this.#children.push(child);
    return child;
  }

  #map<Value>(name: string, fits: (value: unknown) => value is Value, description: string): Record<string, Value> {
    const members = this.optionalObject(name)?.rawMembers() ?? {};
    const map: Record<string, Value> = {};
    for (const [key, value] of Object.entries(members)) {
      map[key] = fits(value) ? value : this.#refuse(`${name}.${key}`, description);
    }
    return map;
  }

  #refuse(name: string, description: string): never {
    throw this.fault(name, description);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
