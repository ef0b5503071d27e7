/** Owns the way from Weir's disjoint meters to the usage of a Response. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/**
 * OpenAI's convention is inclusive: `input_tokens` counts all input, of which `cached_tokens` and `cache_write_tokens` are
 * parts; `output_tokens` counts all output, of which `reasoning_tokens` are a part (`ResponseUsage` of the `openai` package).
 * Null when nothing was reported: a zero would be a statement.
 */
export function writeUsage(usage: Usage | undefined): object | null {
  if (usage === undefined) return null;
  const quantityOf = (...meters: readonly Meter[]): number =>
    Number(usage.quantities.filter(({ meter }) => meters.includes(meter)).reduce((sum, { quantity }) => sum + quantity, 0n));
  const cached = quantityOf(Meter.CACHED_INPUT_TOKENS);
  const written = quantityOf(Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS);
  const input = quantityOf(Meter.INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS) + cached + written;
  const reasoning = quantityOf(Meter.REASONING_OUTPUT_TOKENS);
  const output = quantityOf(Meter.OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS) + reasoning;
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}
