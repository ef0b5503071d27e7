/** Owns the way from Weir's disjoint meters to OpenAI's usage object. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/**
 * OpenAI's convention is inclusive: `prompt_tokens` counts all input, of which `cached_tokens`, `cache_write_tokens` and
 * `audio_tokens` are parts; `completion_tokens` counts all output, of which `reasoning_tokens` and `audio_tokens` are parts.
 * https://developers.openai.com/api/docs/guides/prompt-caching and `CompletionUsage` of the `openai` package.
 * Undefined when nothing was reported: a zero would be a statement.
 */
export function writeUsage(usage: Usage | undefined): object | undefined {
  if (usage === undefined) return undefined;
  const { input, cached, cacheWrite, audioInput, output, reasoning, audioOutput } = quantitiesOf(usage);
  const promptTokens = input + cached + cacheWrite + audioInput;
  const completionTokens = output + reasoning + audioOutput;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: {
      cached_tokens: cached,
      audio_tokens: audioInput,
      ...(cacheWrite === 0 ? {} : { cache_write_tokens: cacheWrite }),
    },
    completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: audioOutput, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  };
}

/** The same for embeddings, which have no output. */
export function writeEmbeddingUsage(usage: Usage | undefined): object | undefined {
  if (usage === undefined) return undefined;
  const { input, cached, cacheWrite, audioInput } = quantitiesOf(usage);
  const promptTokens = input + cached + cacheWrite + audioInput;
  return { prompt_tokens: promptTokens, total_tokens: promptTokens };
}

function quantitiesOf(usage: Usage) {
  const quantityOf = (...meters: readonly Meter[]): number =>
    Number(usage.quantities.filter(({ meter }) => meters.includes(meter)).reduce((sum, { quantity }) => sum + quantity, 0n));
  return {
    input: quantityOf(Meter.INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS),
    cached: quantityOf(Meter.CACHED_INPUT_TOKENS),
    cacheWrite: quantityOf(Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS),
    audioInput: quantityOf(Meter.AUDIO_INPUT_TOKENS),
    output: quantityOf(Meter.OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS),
    reasoning: quantityOf(Meter.REASONING_OUTPUT_TOKENS),
    audioOutput: quantityOf(Meter.AUDIO_OUTPUT_TOKENS),
  };
}
