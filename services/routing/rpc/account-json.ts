/** Owns reading members of the JSON in which a vendor tells of files and batches, where what is absent or of another kind counts as nothing. */
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function integerOf(value: unknown): bigint {
  return Number.isSafeInteger(value) ? BigInt(value as number) : 0n;
}

/** A member for a message, from seconds since 1970. */
export function timeOf(name: string, seconds: unknown): { readonly [member: string]: Timestamp } {
  return Number.isSafeInteger(seconds) ? { [name]: timestampFromMs((seconds as number) * 1_000) } : {};
}
