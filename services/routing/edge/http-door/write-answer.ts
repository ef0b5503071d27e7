/** Owns writing what a request is answered with in one piece: JSON with its headers, or an error in the shape of the dialect. */
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";
import type { Reply } from "../../domain/call.ts";
import type { Dialect } from "../../domain/dialect.ts";
import { RateLimitedError } from "../../domain/rate-limits/rate-admission.ts";
import { discardRest } from "../read-body.ts";
import type { RequestScope } from "../request-scope.ts";
import type { Arrived, HttpDoorDependencies } from "./arrived-request.ts";
import { replyHeaders, tighterLimits } from "./reply-headers.ts";

export function answerJson(response: HttpResponse, json: Uint8Array | string, headers: Record<string, string>): void {
  response.writeHead(200, { ...headers, "content-type": "application/json", "content-length": String(Buffer.byteLength(json)) });
  response.end(json);
}

export function headersOf({ scope, dependencies }: Arrived, dialect: Dialect, reply: Reply, first: AttemptResponse, warnings: readonly Warning[]): Record<string, string> {
  const nowMs = dependencies.pipeline.clock.now();
  const vendorLimits = first.start?.rateLimits ?? [];
  const headers = { ...(vendorLimits.length === 0 ? {} : dialect.writeRateLimits?.(vendorLimits, nowMs)), ...replyHeaders(reply, first, scope.requestId, warnings.concat(reply.warnings())) };
  return reply.rateLimits === undefined ? headers : { ...headers, ...tighterLimits(reply.rateLimits, headers, dialect, nowMs) };
}

export function requestIdHeaders({ requestId }: RequestScope): Record<string, string> {
  return { "x-request-id": requestId, "request-id": requestId };
}

export function answerError(request: HttpRequest, response: HttpResponse, dialect: Dialect, error: GatewayError, requestId: string, rateLimits: Readonly<Record<string, string>> = {}): void {
  const { status, headers, body } = dialect.writeError(error, requestId);
  if (!request.complete) discardRest(request);
  response.writeHead(status, { "x-request-id": requestId, "request-id": requestId, "x-weir-reason": error.reason, ...rateLimits, ...retryAdvice(error), ...headers, "content-length": String(Buffer.byteLength(body)) });
  response.end(body);
}

export function limitsOf(error: GatewayError, dialect: Dialect, { pipeline }: HttpDoorDependencies): Readonly<Record<string, string>> {
  return error instanceof RateLimitedError ? (dialect.writeRateLimits?.(error.rateLimits, pipeline.clock.now()) ?? {}) : {};
}

/** The longest that a client can be left to wait between tries; OpenAI's and Anthropic's own wait no longer. */
const longestRetryMs = 60_000;

/** Clients try again after 429 by themselves: not where a budget has no room for longer than they wait. */
function retryAdvice({ reason, retryAfterMs = Infinity }: GatewayError): Record<string, string> {
  return reason === "BUDGET_EXCEEDED" && retryAfterMs > longestRetryMs ? { "x-should-retry": "false" } : {};
}
