/** Owns the headers by which OpenAI's clients learn of rate limits (https://developers.openai.com/api/docs/guides/rate-limits). */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { RateLimitUnit, type RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";

const names: ReadonlyMap<RateLimitUnit, string> = new Map([
  [RateLimitUnit.REQUESTS, "requests"],
  [RateLimitUnit.TOKENS, "tokens"],
]);

export function writeRateLimits(limits: readonly RateLimit[], nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { unit, limit, remaining, resetTime } of limits) {
    const name = names.get(unit);
    if (name === undefined) continue;
    if (limit !== undefined) headers[`x-ratelimit-limit-${name}`] = String(limit);
    if (remaining !== undefined) headers[`x-ratelimit-remaining-${name}`] = String(remaining);
    if (resetTime !== undefined) headers[`x-ratelimit-reset-${name}`] = durationText(timestampMs(resetTime) - nowMs);
  }
  return headers;
}

/** As OpenAI writes it: `250ms`, `1.5s`, `6m0s`. */
function durationText(durationMs: number): string {
  if (durationMs <= 0) return "0s";
  if (durationMs < 1000) return `${durationMs}ms`;
  const minutes = Math.floor(durationMs / 60_000);
  const seconds = `${(durationMs % 60_000) / 1000}s`;
  return minutes === 0 ? seconds : `${minutes}m${seconds}`;
}
