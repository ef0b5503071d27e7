/** Owns reading members of the JSON in which a vendor tells of files and batches, where what is absent or of another kind counts as nothing. */
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function integerOf(value: unknown): bigint {
  return Number.isSafeInteger(value) ? BigInt(value as number) : 0n;
}

/** A member for a message, from seconds since 1970 or RFC 3339. */
export function timeOf(name: string, time: unknown): { readonly [member: string]: Timestamp } {
  const timeMs = typeof time === "string" ? Date.parse(time) : Number.isSafeInteger(time) ? (time as number) * 1_000 : Number.NaN;
  return Number.isNaN(timeMs) ? {} : { [name]: timestampFromMs(timeMs) };
}
