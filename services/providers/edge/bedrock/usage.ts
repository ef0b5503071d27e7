/** Owns the way from Bedrock's usage object to Weir's disjoint meters. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { cacheWritesOf, reportedTokens } from "../../domain/usage/reported-usage.ts";
import { asObjects, countOf } from "../../domain/translation/vendor-json.ts";

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
  return reportedTokens([
    [Meter.INPUT_TOKENS, countOf(usage.inputTokens)],
    [Meter.CACHED_INPUT_TOKENS, countOf(usage.cacheReadInputTokens)],
    ...cacheWritesOf(countOf(usage.cacheWriteInputTokens), writtenFor("5m", usage.cacheDetails), writtenFor("1h", usage.cacheDetails)),
    [Meter.OUTPUT_TOKENS, countOf(usage.outputTokens)],
  ]);
}

/** What Titan reports with a vector. Undefined when it does not. */
export function readEmbeddingUsage(inputTokens: unknown): Usage | undefined {
  return inputTokens === undefined ? undefined : reportedTokens([[Meter.INPUT_TOKENS, countOf(inputTokens)]]);
}

function writtenFor(lifetime: string, details: unknown): bigint {
  return asObjects(details).reduce((sum, { ttl, inputTokens }) => (ttl === lifetime ? sum + countOf(inputTokens) : sum), 0n);
}
