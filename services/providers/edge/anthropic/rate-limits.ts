/** Owns Anthropic's headers that tell how much of its rate limits is left (https://platform.claude.com/docs/en/api/rate-limits#response-headers). */
import { RateLimitUnit, type RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import { rateLimitOf } from "../../domain/rate-limit.ts";

const names = [
  [RateLimitUnit.REQUESTS, "requests"],
  [RateLimitUnit.TOKENS, "tokens"],
  [RateLimitUnit.INPUT_TOKENS, "input-tokens"],
  [RateLimitUnit.OUTPUT_TOKENS, "output-tokens"],
] as const;

export const rateLimitHeaders: readonly string[] = names.flatMap(([, name]) => ["limit", "remaining", "reset"].map((figure) => `anthropic-ratelimit-${name}-${figure}`));

export function readRateLimits(headers: Readonly<Record<string, string>>): readonly RateLimit[] {
  return names.flatMap(([unit, name]) => {
    const resetTimeMs = Date.parse(headers[`anthropic-ratelimit-${name}-reset`] ?? "");
    const limit = rateLimitOf(unit, {
      limit: headers[`anthropic-ratelimit-${name}-limit`],
      remaining: headers[`anthropic-ratelimit-${name}-remaining`],
      resetTimeMs: Number.isNaN(resetTimeMs) ? undefined : resetTimeMs,
    });
    return limit ?? [];
  });
}
