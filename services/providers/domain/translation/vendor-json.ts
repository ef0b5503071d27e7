/** Owns lenient reading of a vendor's JSON: compatible servers leave members out or send null, and that must not fail a reply that was paid for. */
import { GatewayError } from "#platform/errors.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** The JSON of a reply or event. Throws UPSTREAM_PROTOCOL when it is no JSON object. */
export function parseVendorJson(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor sent what is not valid JSON; try again, or use another target.", { cause });
  }
  if (!isObject(value)) throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor sent JSON that is not an object; try again, or use another target.");
  return value;
}

/** Undefined where it is no JSON. */
export function tryParseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes));
  } catch {
    return undefined;
  }
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The objects of a list; empty when it is no list. */
export function asObjects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A whole number from 0 up, else 0. */
export function countOf(value: unknown): bigint {
  return BigInt(asCount(value) ?? 0);
}

/** A whole number from 0 up, else undefined. */
export function asCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
