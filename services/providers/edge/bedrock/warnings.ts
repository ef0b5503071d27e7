/** Owns what becomes of a field that Bedrock cannot honour: a warning, or an error when the caller asked for strictness. */
import { create } from "@bufbuild/protobuf";
import { WarningSchema, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";

export class Warnings {
  readonly #strict: boolean;
  readonly #byField = new Map<string, Warning>();

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  /** Notes, once per field, what happens instead. Throws UNSUPPORTED_FIELD when strict. */
  add(field: string, message: string): void {
    if (this.#strict) throw unsupportedField(field, message);
    if (!this.#byField.has(field)) this.#byField.set(field, create(WarningSchema, { field, message }));
  }

  get list(): readonly Warning[] {
    return [...this.#byField.values()];
  }
}

/** For content that cannot be left out without changing what is asked: always an error, strict or not. */
export function unsupportedField(field: string, message: string): GatewayError {
  return new GatewayError("UNSUPPORTED_FIELD", `Bedrock cannot honour ${field}: ${message}`, { metadata: { field, target: "bedrock" } });
}
