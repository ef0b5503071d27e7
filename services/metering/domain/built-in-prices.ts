/** Owns the prices that Weir ships: list prices of the standard tier, each with where and when it was read. A figure that no source states is absent. */
import { ratesOf, type ListedPrice } from "./listed-price.ts";
import type { PriceEntries } from "./price-book.ts";
import type { PriceEntry } from "./rate.ts";

/** What "standard" is called by the vendors; empty where a reply names no tier. Other tiers have other prices. */
const standardTiers = ["", "default", "standard"];

interface BuiltInPrice extends ListedPrice {
  readonly vendor: string;
  /** The model's names: its alias and the dated snapshots for which the same price is stated. */
  readonly models: readonly string[];
  /** Prices of a call whose input is longer; `{}` when they differ and no source states them: such a call is unpriced. */
  readonly longPrompt?: ListedPrice & { readonly aboveInputTokens: bigint };
  readonly source: string;
  /** The day on which a copy of the source was read, or on which the source says that it was checked. */
  readonly asOf: string;
}

/** US dollars per million tokens. */
const prices: readonly BuiltInPrice[] = [
  {
    vendor: "openai",
    models: ["gpt-6.2-sol"],
    input: "2",
    cachedInput: "0.10",
    cacheWrite5m: "2.50",
    output: "10",
    longPrompt: { aboveInputTokens: 272_000n },
    source: "https://developers.openai.com/api/docs/models/gpt-6.2-sol.md",
    asOf: "2026-11-21",
  },
  {
    vendor: "openai",
    models: ["gpt-6.1-sol", "gpt-6.1-sol-2026-09-29"],
    input: "2",
    cachedInput: "0.10",
    cacheWrite5m: "2.50",
    output: "10",
    longPrompt: { aboveInputTokens: 272_000n, input: "4", cachedInput: "0.20", cacheWrite5m: "5", output: "15" },
    source: "https://github.com/KZCFG/AILSA-SubSwitch/releases/tag/v1.0.0-g (quotes https://developers.openai.com/api/docs/models/gpt-6.1-sol)",
    asOf: "2026-10-01",
  },
  {
    vendor: "openai",
    models: ["gpt-6.1-terra"],
    input: "1",
    cachedInput: "0.05",
    cacheWrite5m: "1.25",
    output: "5",
    longPrompt: { aboveInputTokens: 272_000n },
    source: "https://developers.openai.com/ko-KR/api/docs/models; cache prices https://github.com/TheKrush/PromptFuel/releases/tag/v1.0.24",
    asOf: "2026-10-27",
  },
  {
    vendor: "openai",
    models: ["gpt-6-sol"],
    input: "2",
    cachedInput: "0.20",
    cacheWrite5m: "2.50",
    output: "10",
    longPrompt: { aboveInputTokens: 272_000n, input: "4", cachedInput: "0.40", cacheWrite5m: "5", output: "15" },
    source: "https://developers.openai.com/docs/models/gpt-6-sol",
    asOf: "2026-11-21",
  },
  {
    vendor: "openai",
    models: ["gpt-6-astra"],
    input: "10",
    cachedInput: "1",
    cacheWrite5m: "12.50",
    output: "50",
    longPrompt: { aboveInputTokens: 272_000n, input: "20", cachedInput: "2", cacheWrite5m: "25", output: "75" },
    source: "https://developers.openai.com/api/docs/models/compare; long prompts https://github.com/BerriAI/litellm/discussions/39633",
    asOf: "2026-11-21",
  },
  {
    vendor: "openai",
    models: ["gpt-6-luna"],
    input: "0.10",
    cachedInput: "0.01",
    cacheWrite5m: "0.125",
    output: "0.50",
    longPrompt: { aboveInputTokens: 272_000n, input: "0.20", cachedInput: "0.02", cacheWrite5m: "0.25", output: "0.75" },
    source: "https://github.com/merefield/codexometer/releases/tag/v0.18.4; long prompts https://github.com/BerriAI/litellm/discussions/42523",
    asOf: "2026-09-22",
  },
  {
    vendor: "openai",
    models: ["gpt-5.6-luna"],
    input: "0.20",
    cachedInput: "0.02",
    cacheWrite5m: "0.25",
    output: "1.20",
    longPrompt: { aboveInputTokens: 272_000n },
    source: "https://developers.openai.com/api/docs/models/gpt-5.6-luna",
    asOf: "2026-11-21",
  },
  {
    vendor: "openai",
    models: ["gpt-5.4-mini", "gpt-5.4-mini-2026-03-17"],
    input: "0.75",
    cachedInput: "0.075",
    output: "4.50",
    source: "https://developers.openai.com/docs/models; cached input https://www.morphllm.com/openai-api-pricing",
    asOf: "2026-06-30",
  },
  {
    vendor: "openai",
    models: ["gpt-5-nano", "gpt-5-nano-2025-08-07"],
    input: "0.05",
    cachedInput: "0.005",
    output: "0.40",
    source: "https://developers.openai.com/api/docs/models/gpt-5-nano.md",
    asOf: "2026-11-21",
  },
  {
    vendor: "openai",
    models: ["text-embedding-3-large"],
    input: "0.13",
    source: "https://developers.openai.com/api/docs/models/text-embedding-3-large.md",
    asOf: "2026-11-21",
  },
  {
    vendor: "openai",
    models: ["text-embedding-3-small"],
    input: "0.02",
    source: "https://developers.openai.com/api/docs/models/text-embedding-3-large",
    asOf: "2026-11-21",
  },
  {
    vendor: "anthropic",
    models: ["claude-fable-5-1"],
    input: "10",
    cachedInput: "0.25",
    cacheWrite5m: "12.50",
    cacheWrite1h: "20",
    output: "50",
    source: "https://platform.claude.com/docs/en/about-claude/pricing",
    asOf: "2026-11-21",
  },
  {
    vendor: "anthropic",
    models: ["claude-opus-5-5"],
    input: "4",
    cachedInput: "0.20",
    cacheWrite5m: "5",
    cacheWrite1h: "8",
    output: "20",
    source: "https://platform.claude.com/docs/zh-CN/models/opus-5-5/overview",
    asOf: "2026-11-21",
  },
  {
    vendor: "anthropic",
    models: ["claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-opus-4-5", "claude-opus-4-5-20251101"],
    input: "5",
    cachedInput: "0.50",
    cacheWrite5m: "6.25",
    cacheWrite1h: "10",
    output: "25",
    source: "https://platform.claude.com/docs/en/about-claude/pricing",
    asOf: "2026-11-21",
  },
  {
    vendor: "anthropic",
    models: ["claude-sonnet-5-5"],
    input: "2",
    cachedInput: "0.10",
    cacheWrite5m: "2.50",
    cacheWrite1h: "4",
    output: "10",
    source: "https://platform.claude.com/docs/zh-CN/models/sonnet-5-5/overview; cache reads since 2026-10-07 https://github.com/kurofune/claudit/releases/tag/v1.9.2",
    asOf: "2026-10-24",
  },
  {
    vendor: "anthropic",
    models: ["claude-sonnet-4-6", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"],
    input: "3",
    cachedInput: "0.30",
    cacheWrite5m: "3.75",
    cacheWrite1h: "6",
    output: "15",
    source: "https://platform.claude.com/docs/en/docs/about-claude/pricing",
    asOf: "2026-11-21",
  },
  {
    vendor: "anthropic",
    models: ["claude-haiku-5-5"],
    input: "0.10",
    cachedInput: "0.01",
    cacheWrite5m: "0.125",
    cacheWrite1h: "0.20",
    output: "0.50",
    longPrompt: { aboveInputTokens: 100_000n, input: "0.50", cachedInput: "0.05", cacheWrite5m: "0.625", cacheWrite1h: "1.00", output: "2.50" },
    source: "https://github.com/kurofune/claudit/releases/tag/v1.9.2 (checked against https://platform.claude.com/docs/en/about-claude/pricing)",
    asOf: "2026-10-24",
  },
  {
    vendor: "anthropic",
    models: ["claude-haiku-4-5", "claude-haiku-4-5-20251001"],
    input: "1",
    cachedInput: "0.10",
    cacheWrite5m: "1.25",
    cacheWrite1h: "2",
    output: "5",
    source: "https://platform.claude.com/docs/en/docs/about-claude/pricing",
    asOf: "2026-11-21",
  },
  {
    vendor: "gemini",
    models: ["gemini-4-argon"],
    input: "2",
    cachedInput: "0.10",
    output: "10",
    source: "https://ai.google.dev/gemini-api/docs/generate-content/latest-model; cached input https://github.com/BerriAI/litellm/discussions/46238. Through 2026-11-30; then 4, 0.20 and 20",
    asOf: "2026-11-21",
  },
  {
    vendor: "gemini",
    models: ["gemini-4-carbon"],
    input: "2",
    cachedInput: "0.10",
    output: "10",
    source: "https://github.com/BerriAI/litellm/discussions/50970 (the same as gemini-4-argon). Through 2026-11-30; then 4, 0.20 and 20",
    asOf: "2026-11-21",
  },
  {
    vendor: "gemini",
    models: ["gemini-4-neon"],
    input: "3",
    output: "15",
    source: "https://dev.to/sebbasstian/cach-su-dung-api-gemini-4-neon-1d01",
    asOf: "2026-11-21",
  },
  {
    vendor: "gemini",
    models: ["gemini-3.8-flash"],
    input: "0.75",
    cachedInput: "0.075",
    output: "3.75",
    source: "https://github.com/api-evangelist/deepmind/blob/main/plans/deepmind-plans-pricing.yml (quotes https://ai.google.dev/gemini-api/docs/pricing); cached input https://github.com/BerriAI/litellm/discussions/39357. Through 2026-12-31; then 1.50, 0.15 and 7.50",
    asOf: "2026-10-07",
  },
  {
    vendor: "gemini",
    models: ["gemini-3.5-flash-lite"],
    input: "0.30",
    output: "2.50",
    source: "https://github.com/api-evangelist/deepmind/blob/main/plans/deepmind-plans-pricing.yml (quotes https://ai.google.dev/gemini-api/docs/pricing)",
    asOf: "2026-10-07",
  },
  {
    vendor: "gemini",
    models: ["gemini-3.1-pro-preview"],
    input: "2",
    output: "12",
    longPrompt: { aboveInputTokens: 200_000n, input: "4", output: "18" },
    source: "https://github.com/api-evangelist/deepmind/blob/main/plans/deepmind-plans-pricing.yml (quotes https://ai.google.dev/gemini-api/docs/pricing)",
    asOf: "2026-10-07",
  },
  {
    vendor: "gemini",
    models: ["gemini-embedding-2"],
    input: "0.20",
    source: "https://github.com/api-evangelist/deepmind/blob/main/plans/deepmind-plans-pricing.yml (quotes https://ai.google.dev/gemini-api/docs/pricing)",
    asOf: "2026-10-07",
  },
  {
    vendor: "gemini",
    models: ["gemini-embedding-001"],
    input: "0.15",
    source: "https://www.getmaxim.ai/bifrost/llm-cost-calculator/provider/gemini.md",
    asOf: "2026-11-21",
  },
  {
    vendor: "demo",
    models: ["demo-chat"],
    input: "1",
    output: "4",
    source: "made up for the built-in demo, so that a first run shows a cost; nobody is billed",
    asOf: "2026-11-21",
  },
  {
    vendor: "demo",
    models: ["demo-embed"],
    input: "0.10",
    source: "made up for the built-in demo, so that a first run shows a cost; nobody is billed",
    asOf: "2026-11-21",
  },
];

export const builtInPrices: PriceEntries = new Map(
  prices.flatMap((price) => price.models.map((model) => [`${price.vendor}/${model}`, entryOf(price)] as const)),
);

function entryOf(price: BuiltInPrice): PriceEntry {
  return {
    rates: ratesOf(price),
    serviceTiers: standardTiers,
    ...(price.longPrompt === undefined
      ? {}
      : { longPrompt: { aboveInputTokens: price.longPrompt.aboveInputTokens, rates: ratesOf(price.longPrompt) } }),
  };
}
