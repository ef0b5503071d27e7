/** Owns the headers by which Weir tells callers of the HTTP dialects what it did. */
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import { cacheHeaders } from "../../domain/cache/cache-headers.ts";
import type { Dialect } from "../../domain/dialect.ts";
import type { Reply } from "../../domain/call.ts";

/** The longest list of warnings that is sent, in characters; browsers and proxies refuse large headers. */
const maximumWarningsLength = 4_096;

/** Headers of a reply, the vendor's own among them where it answers in the caller's dialect. */
export function replyHeaders(reply: Reply, first: AttemptResponse, requestId: string, warnings: readonly Warning[]): Record<string, string> {
  const upstreamRequestId = first.start?.upstreamRequestId ?? "";
  return {
    ...(first.native.length > 0 ? first.start?.headers : {}),
    "x-request-id": requestId,
    "request-id": requestId,
    "x-weir-target": asHeaderValue(reply.target.name),
    ...(upstreamRequestId === "" ? {} : { "x-weir-upstream-request-id": asHeaderValue(upstreamRequestId) }),
    ...(reply.cacheUse === undefined ? {} : cacheHeaders(reply.cacheUse)),
    ...(warnings.length === 0 ? {} : { "x-weir-warnings": warningsValue(warnings) }),
  };
}

/** Weir's own limits as headers, without those of which the vendor has less left. */
export function tighterLimits(own: readonly RateLimit[], vendors: Readonly<Record<string, string>>, dialect: Dialect, nowMs: number): Record<string, string> {
  const tighter: Record<string, string> = {};
  for (const limit of own) {
    const written = dialect.writeRateLimits?.([limit], nowMs) ?? {};
    const remaining = Object.keys(written).find((name) => name.includes("remaining"));
    const isLooser = remaining !== undefined && Number(vendors[remaining]) <= Number(written[remaining]);
    if (!isLooser) Object.assign(tighter, written);
  }
  return tighter;
}

function warningsValue(warnings: readonly Warning[]): string {
  return asHeaderValue(warnings.map(({ field, message }) => `${field}: ${message}`).join("; ")).slice(0, maximumWarningsLength);
}

/** Header values are ASCII on one line; what is not is replaced. */
function asHeaderValue(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?");
}
