/** Proves what becomes of LiteLLM's prices: to the last digit, by tier and length of the input, and nothing where Weir cannot say the same. */
import { fromJson } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ImportPricesRequestSchema } from "#gen/weir/metering/v1/price_book_pb.ts";
import { validateMessage } from "#platform/rpc/validation.ts";
import { convertLitellmPrices } from "./litellm-prices.ts";

/** Entries as they stood in https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json in 2026, and such as its schema allows. */
const list = {
  sample_spec: { litellm_provider: "one of https://docs.litellm.ai/docs/providers", input_cost_per_token: 0 },
  fallback_generalizations: { rules: [] },
  "gemini-3.1-flash-lite": {
    cache_read_input_token_cost: 2.5e-8,
    cache_read_input_token_cost_flex: 1.25e-8,
    input_cost_per_audio_token: 5e-7,
    input_cost_per_token: 2.5e-7,
    input_cost_per_token_batches: 1.25e-7,
    input_cost_per_token_flex: 1.25e-7,
    litellm_provider: "vertex_ai-language-models",
    mode: "chat",
    output_cost_per_reasoning_token: 1.5e-6,
    output_cost_per_token: 1.5e-6,
    output_cost_per_token_batches: 7.5e-7,
    output_cost_per_token_flex: 7.5e-7,
    search_context_cost_per_query: { search_context_size_low: 0.014, search_context_size_medium: 0.014, search_context_size_high: 0.014 },
  },
  "claude-sonnet-4-20250514": {
    litellm_provider: "anthropic",
    input_cost_per_token: 3e-6,
    output_cost_per_token: 1.5e-5,
    cache_creation_input_token_cost: 3.75e-6,
    cache_creation_input_token_cost_above_1hr: 6e-6,
    cache_read_input_token_cost: 3e-7,
    input_cost_per_token_above_200k_tokens: 6e-6,
    output_cost_per_token_above_200k_tokens: 2.25e-5,
    cache_read_input_token_cost_above_200k_tokens: 6e-7,
    cache_creation_input_token_cost_above_200k_tokens: 7.5e-6,
    cache_creation_input_token_cost_above_1hr_above_200k_tokens: 1.2e-5,
    provider_specific_entry: { us: 1.1, fast: 6 },
  },
  "us.anthropic.claude-next": { cache_creation_input_token_cost: 1.25e-6, cache_creation_input_token_cost_above_200k_tokens: 2.5e-6, cache_read_input_token_cost: 1e-7, input_cost_per_token: 1e-6, litellm_provider: "bedrock_converse", output_cost_per_token: 5e-6 },
  "amazon.nova-2-pro-preview-20251202-v1:0": { cache_read_input_token_cost: 5.46875e-7, input_cost_per_token: 2.1875e-6, litellm_provider: "bedrock_converse", output_cost_per_token: 1.75e-5 },
  "azure/whisper": { input_cost_per_second: 0.0001, litellm_provider: "azure", mode: "audio_transcription", output_cost_per_second: 0.0001 },
  "groq/openai/gpt-oss-120b": { input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7, litellm_provider: "groq" },
  "deep-research-pro": { input_cost_per_image: 0.0011, input_cost_per_token: 2e-6, litellm_provider: "vertex_ai-language-models", output_cost_per_token: 1.2e-5 },
  "vertex_ai/deep-research-pro": { input_cost_per_token: 1, litellm_provider: "vertex_ai-language-models" },
  "1024-x-1024/dall-e-2": { input_cost_per_pixel: 1.9e-8, litellm_provider: "openai", output_cost_per_pixel: 0 },
  "dall-e-9": { input_cost_per_pixel: 1.9e-8, litellm_provider: "openai", output_cost_per_pixel: 0 },
  "aiml/flux/dev": { litellm_provider: "aiml", output_cost_per_image: 0.026 },
  "perplexity/sonar": { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6, litellm_provider: "perplexity", search_context_cost_per_query: { search_context_size_low: 0.005, search_context_size_medium: 0.008, search_context_size_high: 0.012 } },
  "gpt-5-search-api-2025-10-14": { input_cost_per_token: 1.25e-6, output_cost_per_token: 1e-5, litellm_provider: "openai", search_context_cost_per_query: { search_context_size_low: 0.01, search_context_size_medium: 0.01, search_context_size_high: 0.01 } },
  "deepseek/by-night": { input_cost_per_token: 5.5e-7, litellm_provider: "deepseek", off_peak_pricing: { hours_utc: "16:30-00:30", input_cost_per_token: 1.35e-7 }, output_cost_per_token: 2.2e-6 },
  "gpt-4o-search-preview": { input_cost_per_token: 2.5e-6, output_cost_per_token: 1e-5, litellm_provider: "openai" },
  "thinks-dearly": { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6, output_cost_per_reasoning_token: 3e-6, litellm_provider: "openai" },
  "free-or-unknown": { input_cost_per_token: 0, output_cost_per_token: 0, litellm_provider: "openai" },
  "xai/grok-next": { input_cost_per_token: 1e-6, input_cost_per_token_above_128k_tokens: 2e-6, litellm_provider: "xai" },
  "three-lengths": { input_cost_per_token: 1e-6, input_cost_per_token_above_128k_tokens: 2e-6, input_cost_per_token_above_256k_tokens: 3e-6, litellm_provider: "xai" },
};

const { prices, leftOut } = convertLitellmPrices(list);
const pricesOf = (name: string): unknown[] => prices.filter((price) => price.name === name).map(({ price }) => price);
/** By the words of vendors' replies: Groq's say `on_demand`, and what names another tier than these has no price. */
const standard = ["", "default", "standard", "on_demand"];

describe("LiteLLM's prices", () => {
  it("become prices of each tier, with what a tier does not state as it is without", () => {
    const base = { cached_input: "0.025", audio_input: "0.5", input: "0.25", output: "1.5", web_search: "0.014" };
    expect(pricesOf("vertex/gemini-3.1-flash-lite")).toEqual([
      { ...base, cached_input: "0.0125", input: "0.125", output: "0.75", service_tiers: ["flex"] },
      { ...base, input: "0.125", output: "0.75", service_tiers: ["batch"] },
      { ...base, service_tiers: standard },
    ]);
  });

  it("keep what a long prompt costs", () => {
    expect(pricesOf("anthropic/claude-sonnet-4-20250514")).toEqual([
      {
        input: "3", output: "15", cache_write_5m: "3.75", cache_write_1h: "6", cached_input: "0.3",
        long_prompt: { above_input_tokens: "200000", input: "6", output: "22.5", cache_write_5m: "7.5", cache_write_1h: "12", cached_input: "0.6" },
        tier_multipliers: { standard_us: "1.1" },
        service_tiers: standard,
      },
    ]);
  });

  it("of xAI count a prompt of just the stated length as a long one", () => {
    expect(pricesOf("xai/grok-next")).toEqual([{ input: "1", long_prompt: { above_input_tokens: "127999", input: "2" }, service_tiers: standard }]);
  });

  it("take what is written for an hour to cost what it does for minutes, where the list has one price of both", () => {
    expect(pricesOf("bedrock/us.anthropic.claude-next")).toMatchObject([{ cache_write_5m: "1.25", cache_write_1h: "1.25", long_prompt: { cache_write_5m: "2.5", cache_write_1h: "2.5" } }]);
  });

  it("keep every digit, and count minutes where the list counts seconds", () => {
    expect(pricesOf("bedrock/amazon.nova-2-pro-preview-20251202-v1:0")).toEqual([{ cached_input: "0.546875", input: "2.1875", output: "17.5", service_tiers: standard }]);
    expect(pricesOf("azure/whisper")).toEqual([{ audio_minute: "0.006", service_tiers: standard }]);
    expect(pricesOf("groq/openai/gpt-oss-120b")).toEqual([{ input: "0.15", output: "0.6", service_tiers: standard }]);
    expect(pricesOf("vertex/deep-research-pro")).toEqual([{ input: "2", output: "12", service_tiers: standard }]);
  });

  it("are left out, with the reason, where Weir cannot say the same", () => {
    expect(Object.fromEntries(leftOut)).toEqual({
      "a second price of the same model": ["vertex_ai/deep-research-pro"],
      "of a vendor, a region or a variant that Weir has no name for": ["1024-x-1024/dall-e-2", "aiml/flux/dev"],
      "has a price that Weir does not know: input_cost_per_pixel": ["dall-e-9"],
      "has two prices for one of Weir's: output": ["thinks-dearly"],
      "has no price, or all are nought": ["free-or-unknown"],
      "has a fee for searches that its replies do not count": ["perplexity/sonar", "gpt-5-search-api-2025-10-14", "gpt-4o-search-preview"],
      "has prices by the time of day": ["deepseek/by-night"],
      "has prices by more than two lengths of the input": ["three-lengths"],
    });
  });

  it.each(["-1e-6", "1e400", "1e21", "10", '"1e-6"', "true", "[1e-6]", '{"__proto__":1e-6}'])("of a model whose price is %s there are none, and the others stand", (text) => {
    const odd = JSON.parse(`{ "odd": { "litellm_provider": "openai", "input_cost_per_token": ${text}, "output_cost_per_token": 1e-6 } }`) as object;
    const converted = convertLitellmPrices({ ...odd, sound: { litellm_provider: "openai", input_cost_per_token: 1e-6, search_context_cost_per_query: { low: -1 } } });
    expect(converted.leftOut).toEqual(new Map([["has a price that Weir does not know: input_cost_per_token", ["odd"]]]));
    expect(converted.prices).toEqual([{ name: "openai/sound", price: { input: "1", service_tiers: standard } }]);
  });

  it("are such as an import takes", () => {
    expect(() => validateMessage(ImportPricesRequestSchema, fromJson(ImportPricesRequestSchema, { prices: prices.map(({ name, price }) => ({ name, price })) }))).not.toThrow();
  });

  it.each([[[]], ["prices"], [{}], [{ "gpt-x": { input_cost_per_token: 1e-6 } }]])("of %j there are none", (none) => {
    expect(() => convertLitellmPrices(none)).toThrow(RangeError);
  });
});
