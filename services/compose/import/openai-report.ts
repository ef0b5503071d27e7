/** Owns OpenAI's reports: `/v1/organization/usage/completions` and `/v1/organization/costs` (node_modules/openai/resources/admin/organization/usage.d.ts). */
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { scaledDecimal } from "./decimal.ts";
import { countOf, objectOf, textOf, type BucketFormat } from "./report-pages.ts";

const bucket = { start: "start_time", end: "end_time", timeMs: (value: unknown) => (typeof value === "number" ? value * 1_000 : Number.NaN), figures: [] };

/** `input_tokens` includes what was read from and written to the cache; audio is counted apart. */
export const openaiUsage: BucketFormat = {
  ...bucket,
  read(result) {
    const [cached, written, audio, spoken] = ["input_cached_tokens", "input_cache_write_tokens", "input_audio_tokens", "output_audio_tokens"].map((name) => countOf(result[name])) as [bigint, bigint, bigint, bigint];
    return {
      model: textOf(result["model"]),
      quantities: [
        [Meter.INPUT_TOKENS, countOf(result["input_tokens"]) - cached - written - audio],
        [Meter.CACHED_INPUT_TOKENS, cached],
        [Meter.CACHE_WRITE_5M_INPUT_TOKENS, written],
        [Meter.AUDIO_INPUT_TOKENS, audio],
        [Meter.OUTPUT_TOKENS, countOf(result["output_tokens"]) - spoken],
        [Meter.AUDIO_OUTPUT_TOKENS, spoken],
      ],
    };
  },
};

/** Grouped by line item, the model is what stands before the comma: `gpt-6-sol-2026-07-01, cached input`. Amounts are numbers in dollars. */
export const openaiCosts: BucketFormat = {
  ...bucket,
  read(result) {
    const { value, currency } = objectOf(result["amount"]);
    if (currency !== "usd") throw new RangeError(`an amount is in ${JSON.stringify(currency)}: only US dollars can be reconciled.`);
    return { model: textOf(result["line_item"]).split(",")[0]!.trim(), costNanos: scaledDecimal(String(value), 9) };
  },
};
