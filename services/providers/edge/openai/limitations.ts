/** Owns what the vendor cannot honour: noted as warnings, or refused when the caller asked for strictness. */
import { create } from "@bufbuild/protobuf";
import { WarningSchema, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";

export class Limitations {
  readonly #strict: boolean;
  readonly #byField = new Map<string, Warning>();

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  /**
   * Notes a field once, however often it occurs. Throws UNSUPPORTED_FIELD when strict.
   * @param field path in the types, without indexes
   * @param message what happens instead, as a sentence
   */
  note(field: string, message: string): void {
    if (this.#strict) throw new GatewayError("UNSUPPORTED_FIELD", `The target cannot honour ${field}: ${message}`, { metadata: { field } });
    if (!this.#byField.has(field)) this.#byField.set(field, create(WarningSchema, { field, message }));
  }

  get warnings(): readonly Warning[] {
    return [...this.#byField.values()];
  }
}
