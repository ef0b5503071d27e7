/** Owns the way from Bedrock's usage object to Weir's disjoint meters. */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/** Bedrock's TokenUsage; nothing of it is certain. */
export interface UsageJson {
  readonly inputTokens?: unknown;
  readonly outputTokens?: unknown;
  readonly cacheReadInputTokens?: unknown;
  readonly cacheWriteInputTokens?: unknown;
  readonly cacheDetails?: unknown;
}

/**
 * Bedrock's convention:
 * - `inputTokens` counts neither cache reads nor cache writes: the three are disjoint already.
 * - `cacheWriteInputTokens` is the sum of `cacheDetails`' split by lifetime; without the split it is all of the default, five minutes.
 * - `outputTokens` includes reasoning, which is not reported apart.
 * Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html, …/APIReference/API_runtime_TokenUsage.html and
 * …/APIReference/API_runtime_CacheDetail.html; that they are disjoint was found out by others the hard way:
 * https://github.com/anomalyco/opencode/pull/38427.
 * Undefined when neither input nor output is reported.
 */
export function readUsage(usage: UsageJson | null | undefined): Usage | undefined {
  if (usage?.inputTokens === undefined && usage?.outputTokens === undefined) return undefined;
  const cacheWrites = count(usage.cacheWriteInputTokens);
  const oneHour = cacheWritesOf(usage.cacheDetails, "1h");
  return usageOf([
    [Meter.INPUT_TOKENS, count(usage.inputTokens)],
    [Meter.CACHED_INPUT_TOKENS, count(usage.cacheReadInputTokens)],
    [Meter.CACHE_WRITE_5M_INPUT_TOKENS, cacheWrites > oneHour ? cacheWrites - oneHour : cacheWritesOf(usage.cacheDetails, "5m")],
    [Meter.CACHE_WRITE_1H_INPUT_TOKENS, oneHour],
    [Meter.OUTPUT_TOKENS, count(usage.outputTokens)],
  ]);
}

/** What Titan reports with a vector. Undefined when it does not. */
export function readEmbeddingUsage(inputTokens: unknown): Usage | undefined {
  return inputTokens === undefined ? undefined : usageOf([[Meter.INPUT_TOKENS, count(inputTokens)]]);
}

/** Input and output stand always, to tell "none" from "unreported"; of the other meters only those that counted. */
function usageOf(totals: readonly (readonly [Meter, bigint])[]): Usage {
  const quantities = totals
    .filter(([meter, quantity]) => quantity > 0n || meter === Meter.INPUT_TOKENS || meter === Meter.OUTPUT_TOKENS)
    .map(([meter, quantity]) => ({ meter, quantity }));
  return create(UsageSchema, { quantities, source: UsageSource.PROVIDER });
}

function cacheWritesOf(details: unknown, lifetime: string): bigint {
  if (!Array.isArray(details)) return 0n;
  const counts = details.map((detail: { readonly ttl?: unknown; readonly inputTokens?: unknown } | null) => (detail?.ttl === lifetime ? count(detail.inputTokens) : 0n));
  return counts.reduce((sum, tokens) => sum + tokens, 0n);
}

function count(value: unknown): bigint {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? BigInt(value) : 0n;
}
