import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { RateLimitSchema, RateLimitUnit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import { openaiDialect } from "../openai/dialect.ts";
import { tighterLimits } from "./reply-headers.ts";

const own = [create(RateLimitSchema, { unit: RateLimitUnit.REQUESTS, limit: 10n, remaining: 4n, resetTime: timestampFromMs(61_000) })];
const ownHeaders = { "x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "4", "x-ratelimit-reset-requests": "1m0s" };

test.each([
  [{}, ownHeaders],
  [{ "x-ratelimit-remaining-requests": "5" }, ownHeaders],
  [{ "x-ratelimit-remaining-requests": "3" }, {}],
  [{ "x-ratelimit-remaining-tokens": "3" }, ownHeaders],
])("beside the vendor's %j, Weir's own limit is told as %j", (vendors, told) => {
  expect(tighterLimits(own, vendors, openaiDialect, 1_000)).toEqual(told);
});
