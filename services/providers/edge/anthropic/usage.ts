/** Owns the way from Anthropic's usage object to Weir's disjoint meters. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { cacheWritesOf, reportedTokens, type Counted } from "../../domain/usage/reported-usage.ts";
import { asText, countOf } from "../../domain/translation/vendor-json.ts";

/** Anthropic's usage object, as far as it is a matter of counting; nothing of it is certain. */
export interface UsageJson {
  readonly input_tokens?: unknown;
  readonly cache_read_input_tokens?: unknown;
  readonly cache_creation_input_tokens?: unknown;
  readonly cache_creation?: { readonly ephemeral_5m_input_tokens?: unknown; readonly ephemeral_1h_input_tokens?: unknown } | null;
  readonly output_tokens?: unknown;
  readonly output_tokens_details?: { readonly thinking_tokens?: unknown } | null;
  readonly server_tool_use?: { readonly web_search_requests?: unknown } | null;
  readonly service_tier?: unknown;
  readonly speed?: unknown;
  readonly inference_geo?: unknown;
  readonly iterations?: readonly (UsageJson & { readonly type?: unknown })[] | null;
}

/**
 * Anthropic's convention:
 * - `input_tokens` counts neither cache reads nor cache writes: the three are disjoint already.
 * - `cache_creation_input_tokens` is the sum of `cache_creation`'s split by lifetime; without the split it is all of the default, five minutes.
 * - `output_tokens` is the billed total; `output_tokens_details.thinking_tokens` is the part of it that was reasoning.
 * - In a stream the figures of `message_delta` are cumulative and replace those of `message_start` (see mergeUsage).
 * - `iterations` lists the model's turns within one request (a beta). The turns of kind `compaction` and `advisor_message` are
 *   billed and are not in the totals above, so they are added; all others are.
 * Source: the docstrings of Usage, MessageDeltaUsage, OutputTokensDetails and BetaIterationsUsage in @anthropic-ai/sdk, and
 * https://platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance.
 * Undefined when neither input nor output is reported.
 */
export function readUsage(usage: UsageJson | null | undefined): Usage | undefined {
  if (usage?.input_tokens === undefined && usage?.output_tokens === undefined) return undefined;
  const totals = new Map<Meter, bigint>([
    [Meter.INPUT_TOKENS, 0n],
    [Meter.OUTPUT_TOKENS, 0n],
  ]);
  for (const part of [usage, ...unlistedTurns(usage)]) {
    for (const [meter, quantity] of readTurn(part)) totals.set(meter, (totals.get(meter) ?? 0n) + BigInt(quantity));
  }
  return reportedTokens(totals);
}

/** The usage so far with the figures of a later event, each of which replaces the earlier one; null and absent ones replace nothing. */
export function mergeUsage(earlier: UsageJson, later: UsageJson | null | undefined): UsageJson {
  return { ...earlier, ...Object.fromEntries(Object.entries(later ?? {}).filter(([, value]) => value !== null)) };
}

/**
 * What the price hangs on beside the model, in one word: Anthropic's service tier, or `fast` for what its fast mode answered
 * (https://platform.claude.com/docs/en/build-with-claude/fast-mode), with `_us` behind it for what was computed in the US alone
 * (https://platform.claude.com/docs/en/build-with-claude/data-residency). Empty where the reply says nothing of them.
 */
export function priceTierOf(usage: UsageJson | null | undefined): string {
  const tier = usage?.speed === "fast" ? "fast" : asText(usage?.service_tier);
  return usage?.inference_geo === "us" ? `${tier || "standard"}_us` : tier;
}

function unlistedTurns(usage: UsageJson): readonly UsageJson[] {
  if (!Array.isArray(usage.iterations)) return [];
  return usage.iterations.filter(({ type }) => type === "compaction" || type === "advisor_message");
}

function readTurn(usage: UsageJson): readonly Counted[] {
  const { ephemeral_5m_input_tokens: fiveMinutes, ephemeral_1h_input_tokens: oneHour } = usage.cache_creation ?? {};
  const output = countOf(usage.output_tokens);
  const reasoning = least(countOf(usage.output_tokens_details?.thinking_tokens), output);
  return [
    [Meter.INPUT_TOKENS, countOf(usage.input_tokens)],
    [Meter.CACHED_INPUT_TOKENS, countOf(usage.cache_read_input_tokens)],
    ...cacheWritesOf(countOf(usage.cache_creation_input_tokens), countOf(fiveMinutes), countOf(oneHour)),
    [Meter.OUTPUT_TOKENS, output - reasoning],
    [Meter.REASONING_OUTPUT_TOKENS, reasoning],
    [Meter.WEB_SEARCHES, countOf(usage.server_tool_use?.web_search_requests)],
  ];
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
