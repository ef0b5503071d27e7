/** Owns the way from Cohere's usage to Weir's disjoint meters. */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { asCount, asObject, isObject } from "../../domain/vendor-json.ts";

/**
 * Cohere reports two counts: `billed_units`, which it charges for, and `tokens`, which also hold what it puts around the prompt on its
 * own. The ledger takes what is charged for, and `tokens` only where nothing is billed. `cached_tokens` counts within `tokens` and may be
 * more than the billed input, so it is split off only from there.
 * Source: Usage in https://github.com/cohere-ai/cohere-typescript and https://docs.cohere.com/docs/how-does-cohere-pricing-work.
 * Undefined when neither is reported.
 */
export function readUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const billed = asObject(value["billed_units"]);
  if (Object.keys(billed).length > 0) {
    return usageOf([
      // Pictures to embed are counted in tokens of their own, which have no meter.
      [Meter.INPUT_TOKENS, (asCount(billed["input_tokens"]) ?? 0) + (asCount(billed["image_tokens"]) ?? 0)],
      [Meter.OUTPUT_TOKENS, asCount(billed["output_tokens"])],
      [Meter.SEARCH_UNITS, asCount(billed["search_units"])],
      [Meter.IMAGES, asCount(billed["images"])],
    ]);
  }
  const tokens = asObject(value["tokens"]);
  const input = asCount(tokens["input_tokens"]);
  const output = asCount(tokens["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const cached = Math.min(asCount(value["cached_tokens"]) ?? 0, input ?? 0);
  return usageOf([
    [Meter.INPUT_TOKENS, (input ?? 0) - cached],
    [Meter.CACHED_INPUT_TOKENS, cached],
    [Meter.OUTPUT_TOKENS, output],
  ]);
}

function usageOf(quantities: readonly (readonly [meter: Meter, quantity: number | undefined])[]): Usage {
  return create(UsageSchema, {
    quantities: quantities.flatMap(([meter, quantity]) => (quantity === undefined || quantity === 0 ? [] : [{ meter, quantity: BigInt(quantity) }])),
    source: UsageSource.PROVIDER,
  });
}
