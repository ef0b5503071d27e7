/** Owns the way from Cohere's usage to Weir's disjoint meters. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { reportedUsage } from "../../domain/usage/reported-usage.ts";
import { asCount, asObject, countOf, isObject } from "../../domain/translation/vendor-json.ts";

/**
 * Cohere reports two counts: `billed_units`, which it charges for, and `tokens`, which also hold what it puts around the prompt on its
 * own. The ledger takes what is charged for, and `tokens` only where nothing is billed. `cached_tokens` counts within `tokens`; of the
 * billed input as much was certainly cached as is left when all that Cohere added was cached too.
 * Source: Usage in https://github.com/cohere-ai/cohere-typescript and https://docs.cohere.com/docs/how-does-cohere-pricing-work.
 * Undefined when neither is reported.
 */
export function readUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const billed = asObject(value["billed_units"]);
  const tokens = asObject(value["tokens"]);
  const input = asCount(tokens["input_tokens"]);
  const cachedTokens = asCount(value["cached_tokens"]) ?? 0;
  if (Object.keys(billed).length > 0) {
    const billedInput = asCount(billed["input_tokens"]) ?? 0;
    const addedInput = Math.max((input ?? Infinity) - billedInput, 0);
    const cached = Math.min(Math.max(cachedTokens - addedInput, 0), billedInput);
    return reportedUsage([
      // Pictures to embed are counted in tokens of their own, which have no meter.
      [Meter.INPUT_TOKENS, billedInput - cached + (asCount(billed["image_tokens"]) ?? 0)],
      [Meter.CACHED_INPUT_TOKENS, cached],
      [Meter.OUTPUT_TOKENS, countOf(billed["output_tokens"])],
      [Meter.SEARCH_UNITS, countOf(billed["search_units"])],
      [Meter.IMAGES, countOf(billed["images"])],
    ]);
  }
  const output = asCount(tokens["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const cached = Math.min(cachedTokens, input ?? 0);
  return reportedUsage([
    [Meter.INPUT_TOKENS, (input ?? 0) - cached],
    [Meter.CACHED_INPUT_TOKENS, cached],
    [Meter.OUTPUT_TOKENS, output ?? 0],
  ]);
}
