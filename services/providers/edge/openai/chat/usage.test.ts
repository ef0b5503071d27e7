import fc from "fast-check";
import type { CompletionUsage } from "openai/resources/completions";
import { expect, test } from "vitest";
import { Meter, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { readUsage } from "./usage.ts";

const inputMeters: readonly Meter[] = [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS];

test("takes the parts out of the totals", () => {
  const usage = readUsage({
    prompt_tokens: 1000,
    completion_tokens: 500,
    total_tokens: 1500,
    prompt_tokens_details: { cached_tokens: 600, cache_write_tokens: 100, audio_tokens: 50 },
    completion_tokens_details: { reasoning_tokens: 300, audio_tokens: 20, accepted_prediction_tokens: 5, rejected_prediction_tokens: 7 },
  } satisfies CompletionUsage);
  expect(usage?.source).toBe(UsageSource.PROVIDER);
  expect(quantities(usage)).toEqual({
    [Meter.INPUT_TOKENS]: 250n,
    [Meter.CACHED_INPUT_TOKENS]: 600n,
    [Meter.CACHE_WRITE_5M_INPUT_TOKENS]: 100n,
    [Meter.AUDIO_INPUT_TOKENS]: 50n,
    [Meter.OUTPUT_TOKENS]: 180n,
    [Meter.REASONING_OUTPUT_TOKENS]: 300n,
    [Meter.AUDIO_OUTPUT_TOKENS]: 20n,
  });
});

test("sees reasoning that xAI counts beside the completion", () => {
  const usage = readUsage({ prompt_tokens: 12, completion_tokens: 1, total_tokens: 399, completion_tokens_details: { reasoning_tokens: 386 } });
  expect(quantities(usage)).toEqual({ [Meter.INPUT_TOKENS]: 12n, [Meter.OUTPUT_TOKENS]: 1n, [Meter.REASONING_OUTPUT_TOKENS]: 386n });
});

test("reads DeepSeek's name for cached input", () => {
  const usage = readUsage({ prompt_tokens: 100, completion_tokens: 10, prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 });
  expect(quantities(usage)).toMatchObject({ [Meter.INPUT_TOKENS]: 36n, [Meter.CACHED_INPUT_TOKENS]: 64n });
});

test.each([{ prompt_tokens_details: { cached_tokens: 64 } }, { prompt_token_details: { cached_tokens: 64 } }, { num_cached_tokens: 64 }])("reads Mistral's names for cached input and for seconds of sound: %j", (cached) => {
  const usage = readUsage({ prompt_tokens: 100, completion_tokens: 10, total_tokens: 110, prompt_audio_seconds: 3, ...cached });
  expect(quantities(usage)).toEqual({ [Meter.INPUT_TOKENS]: 36n, [Meter.CACHED_INPUT_TOKENS]: 64n, [Meter.AUDIO_MILLISECONDS]: 3000n, [Meter.OUTPUT_TOKENS]: 10n });
});

test.each([undefined, null, "12", {}, { prompt_tokens: null }, { prompt_tokens: -1 }, { completion_tokens: 0.5 }])("%j is unreported, not zero", (value) => {
  expect(readUsage(value)).toBeUndefined();
});

test("a reported zero is reported", () => {
  expect(readUsage({ prompt_tokens: 0, completion_tokens: 0 })).toMatchObject({ quantities: [], source: UsageSource.PROVIDER });
});

test("meters sum up to the vendor's totals, however its parts overlap", () => {
  const count = fc.integer({ min: 0, max: 1_000_000 });
  fc.assert(
    fc.property(count, count, count, count, count, count, (prompt, completion, cached, written, audio, reasoning) => {
      fc.pre(reasoning <= completion);
      const usage = readUsage({
        prompt_tokens: prompt,
        completion_tokens: completion,
        prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written, audio_tokens: audio },
        completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: audio },
      });
      expect(sum(usage, (meter) => inputMeters.includes(meter))).toBe(BigInt(prompt));
      expect(sum(usage, (meter) => !inputMeters.includes(meter))).toBe(BigInt(completion));
    }),
  );
});

function quantities(usage: Usage | undefined): Record<number, bigint> {
  return Object.fromEntries((usage?.quantities ?? []).map(({ meter, quantity }) => [meter, quantity]));
}

function sum(usage: Usage | undefined, matches: (meter: Meter) => boolean): bigint {
  return (usage?.quantities ?? []).filter(({ meter }) => matches(meter)).reduce((total, { quantity }) => total + quantity, 0n);
}
