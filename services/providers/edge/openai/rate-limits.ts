/** Owns OpenAI's headers that tell how much of its rate limits is left (https://developers.openai.com/api/docs/guides/rate-limits). */
import { RateLimitUnit, type RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import { rateLimitOf } from "../../domain/rate-limit.ts";
import { durationMs } from "./duration.ts";

const names = [
  [RateLimitUnit.REQUESTS, "requests"],
  [RateLimitUnit.TOKENS, "tokens"],
] as const;

export const rateLimitHeaders: readonly string[] = names.flatMap(([, name]) => ["limit", "remaining", "reset"].map((figure) => `x-ratelimit-${figure}-${name}`));

export function readRateLimits(headers: Readonly<Record<string, string>>, nowMs: number): readonly RateLimit[] {
  return names.flatMap(([unit, name]) => {
    const resetMs = durationMs(headers[`x-ratelimit-reset-${name}`] ?? "");
    const limit = rateLimitOf(unit, {
      limit: headers[`x-ratelimit-limit-${name}`],
      remaining: headers[`x-ratelimit-remaining-${name}`],
      resetTimeMs: resetMs === undefined ? undefined : nowMs + resetMs,
    });
    return limit ?? [];
  });
}
