/** Owns how a vendor's rate limit is read from the text of its headers. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { RateLimitSchema, type RateLimit, type RateLimitUnit } from "#gen/weir/types/v1/rate_limit_pb.ts";

export interface RateLimitTexts {
  readonly limit: string | undefined;
  readonly remaining: string | undefined;
  /** When it is whole again, in milliseconds since 1970; undefined when that was not said. */
  readonly resetTimeMs: number | undefined;
}

/** Undefined when the texts say neither how many there are nor how many are left. */
export function rateLimitOf(unit: RateLimitUnit, texts: RateLimitTexts): RateLimit | undefined {
  const limit = wholeNumber(texts.limit);
  const remaining = wholeNumber(texts.remaining);
  if (limit === undefined && remaining === undefined) return undefined;
  const rateLimit = create(RateLimitSchema, { unit });
  if (limit !== undefined) rateLimit.limit = limit;
  if (remaining !== undefined) rateLimit.remaining = remaining;
  if (texts.resetTimeMs !== undefined) rateLimit.resetTime = timestampFromMs(Math.ceil(texts.resetTimeMs));
  return rateLimit;
}

function wholeNumber(text: string | undefined): bigint | undefined {
  return text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : undefined;
}
