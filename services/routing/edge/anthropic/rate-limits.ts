/** Owns the headers by which Anthropic's clients learn of rate limits (https://platform.claude.com/docs/en/api/rate-limits#response-headers). */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { RateLimitUnit, type RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";

const names: ReadonlyMap<RateLimitUnit, string> = new Map([
  [RateLimitUnit.REQUESTS, "requests"],
  [RateLimitUnit.TOKENS, "tokens"],
  [RateLimitUnit.INPUT_TOKENS, "input-tokens"],
  [RateLimitUnit.OUTPUT_TOKENS, "output-tokens"],
]);

export function writeRateLimits(limits: readonly RateLimit[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { unit, limit, remaining, resetTime } of limits) {
    const name = names.get(unit);
    if (name === undefined) continue;
    if (limit !== undefined) headers[`anthropic-ratelimit-${name}-limit`] = String(limit);
    if (remaining !== undefined) headers[`anthropic-ratelimit-${name}-remaining`] = String(remaining);
    if (resetTime !== undefined) headers[`anthropic-ratelimit-${name}-reset`] = timestampDate(resetTime).toISOString();
  }
  return headers;
}
