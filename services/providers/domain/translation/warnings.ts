/** Owns what becomes of a field that a vendor cannot honour: a warning, or an error when the caller asked for strictness. */
import { create } from "@bufbuild/protobuf";
import { WarningSchema, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";

/** The warnings on one request. */
export class Warnings {
  readonly #vendor: string;
  readonly #strict: boolean;
  readonly #byField = new Map<string, Warning>();

  /** `vendor` is its name, as people write it. */
  constructor(vendor: string, strict: boolean) {
    this.#vendor = vendor;
    this.#strict = strict;
  }

  /**
   * Notes a field once, however often it occurs. Throws UNSUPPORTED_FIELD when strict.
   * @param field path in the types
   * @param message what happens instead, as a sentence
   */
  add(field: string, message: string): void {
    if (this.#strict) throw unsupportedField(this.#vendor, field, message);
    if (!this.#byField.has(field)) this.#byField.set(field, create(WarningSchema, { field, message }));
  }

  get list(): readonly Warning[] {
    return [...this.#byField.values()];
  }
}

/** For content that cannot be left out without changing what is asked: always an error, strict or not. */
export function unsupportedField(vendor: string, field: string, message: string): GatewayError {
  return new GatewayError("UNSUPPORTED_FIELD", `${vendor} cannot honour ${field}: ${message}`, { metadata: { field } });
}
