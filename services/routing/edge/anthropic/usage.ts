/** Owns the way back from Weir's disjoint meters to Anthropic's usage object. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/** Anthropic's usage object. */
export interface UsageJson {
  readonly input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_creation: { readonly ephemeral_5m_input_tokens: number; readonly ephemeral_1h_input_tokens: number };
  readonly output_tokens: number;
  readonly output_tokens_details: { readonly thinking_tokens: number } | null;
  readonly server_tool_use: { readonly web_search_requests: number; readonly web_fetch_requests: number } | null;
}

/**
 * Anthropic's convention: `input_tokens` counts neither cache reads nor cache writes, `cache_creation_input_tokens` is the
 * sum of its split by lifetime, and `output_tokens` is the billed total with thinking inside it. So the input meters go
 * over one by one, and the output meters are added up.
 * Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching and the docstrings of Usage in @anthropic-ai/sdk.
 * The shape has no word for "unreported": it is written as zeros, because clients read the numbers without asking.
 */
export function writeUsage(usage: Usage | undefined): UsageJson {
  const of = (meter: Meter): number => Number(usage?.quantities.find((entry) => entry.meter === meter)?.quantity ?? 0n);
  const fiveMinutes = of(Meter.CACHE_WRITE_5M_INPUT_TOKENS);
  const oneHour = of(Meter.CACHE_WRITE_1H_INPUT_TOKENS);
  const reasoning = of(Meter.REASONING_OUTPUT_TOKENS);
  const webSearches = of(Meter.WEB_SEARCHES);
  return {
    input_tokens: of(Meter.INPUT_TOKENS) + of(Meter.AUDIO_INPUT_TOKENS) + of(Meter.IMAGE_INPUT_TOKENS),
    cache_read_input_tokens: of(Meter.CACHED_INPUT_TOKENS),
    cache_creation_input_tokens: fiveMinutes + oneHour,
    cache_creation: { ephemeral_5m_input_tokens: fiveMinutes, ephemeral_1h_input_tokens: oneHour },
    output_tokens: of(Meter.OUTPUT_TOKENS) + reasoning + of(Meter.AUDIO_OUTPUT_TOKENS) + of(Meter.IMAGE_OUTPUT_TOKENS),
    output_tokens_details: reasoning === 0 ? null : { thinking_tokens: reasoning },
    server_tool_use: webSearches === 0 ? null : { web_search_requests: webSearches, web_fetch_requests: 0 },
  };
}

/** The tier in Anthropic's words; null for a tier it does not have. */
export function writeServiceTier(serviceTier: string | undefined): string | null {
  return serviceTiers.get(serviceTier ?? "") ?? null;
}

const serviceTiers: ReadonlyMap<string, string> = new Map([
  ["standard", "standard"],
  ["priority", "priority"],
  ["batch", "batch"],
  ["default", "standard"],
]);
