/** Owns the way from OpenAI's usage object to Weir's disjoint meters. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { reportedUsage, type Counted } from "../../../domain/usage/reported-usage.ts";
import { asCount, asObject, isObject } from "../../../domain/translation/vendor-json.ts";

/**
 * OpenAI's convention is inclusive: `prompt_tokens` counts all input, of which `cached_tokens`, `cache_write_tokens` and
 * `audio_tokens` are parts; `completion_tokens` counts all output, of which `reasoning_tokens` and `audio_tokens` are parts.
 * https://developers.openai.com/api/docs/guides/prompt-caching and `CompletionUsage` of the `openai` package.
 *
 * Where compatible servers differ:
 * - xAI counts reasoning beside `completion_tokens`; then `total_tokens` is the sum of all three
 *   (https://github.com/vercel/ai/pull/12425).
 * - DeepSeek names the cached input `prompt_cache_hit_tokens` (https://api-docs.deepseek.com/guides/kv_cache); Mistral had
 *   `num_cached_tokens` and `prompt_token_details` before OpenAI's name (https://github.com/vercel/ai/tree/main/packages/mistral).
 * - Mistral counts sound that it hears in seconds beside the tokens, as `prompt_audio_seconds`.
 *
 * The meters always sum up to what the vendor counted: parts that overlap are cut, first cache reads, then writes, then audio.
 * Undefined when the vendor reported nothing.
 */
export function readUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const prompt = asCount(value["prompt_tokens"]);
  const completion = asCount(value["completion_tokens"]);
  if (prompt === undefined && completion === undefined) return undefined;
  const output = splitOutput(completion ?? 0, prompt ?? 0, value);
  return reportedUsage([...splitInput(prompt ?? 0, value), ...output]);
}

function splitInput(prompt: number, usage: { readonly [key: string]: unknown }): readonly Counted[] {
  const details = asObject(usage["prompt_tokens_details"]);
  const remaining = new Remainder(prompt);
  const cached = remaining.take(
    asCount(details["cached_tokens"]) ?? asCount(asObject(usage["prompt_token_details"])["cached_tokens"]) ?? asCount(usage["prompt_cache_hit_tokens"]) ?? asCount(usage["num_cached_tokens"]),
  );
  const written = remaining.take(asCount(details["cache_write_tokens"]));
  const audio = remaining.take(asCount(details["audio_tokens"]));
  return [
    [Meter.INPUT_TOKENS, remaining.rest],
    [Meter.CACHED_INPUT_TOKENS, cached],
    [Meter.CACHE_WRITE_5M_INPUT_TOKENS, written],
    [Meter.AUDIO_INPUT_TOKENS, audio],
    [Meter.AUDIO_MILLISECONDS, (asCount(usage["prompt_audio_seconds"]) ?? 0) * 1000],
  ];
}

function splitOutput(completion: number, prompt: number, usage: { readonly [key: string]: unknown }): readonly Counted[] {
  const details = asObject(usage["completion_tokens_details"]);
  const reported = asCount(details["reasoning_tokens"]) ?? 0;
  const isBeside = reported > completion || (reported > 0 && asCount(usage["total_tokens"]) === prompt + completion + reported);
  const remaining = new Remainder(isBeside ? completion + reported : completion);
  const reasoning = remaining.take(reported);
  const audio = remaining.take(asCount(details["audio_tokens"]));
  return [
    [Meter.OUTPUT_TOKENS, remaining.rest],
    [Meter.REASONING_OUTPUT_TOKENS, reasoning],
    [Meter.AUDIO_OUTPUT_TOKENS, audio],
  ];
}

/** A total from which parts are taken, never more than there is. */
class Remainder {
  rest: number;

  constructor(total: number) {
    this.rest = total;
  }

  take(part: number | undefined): number {
    const taken = Math.min(part ?? 0, this.rest);
    this.rest -= taken;
    return taken;
  }
}
