/** Owns errors in Anthropic's shape, so that its official clients raise their own classes. */
import type { GatewayError } from "#platform/errors.ts";
import type { HttpReply } from "../../domain/dialect.ts";

/** Anthropic's status for "overloaded", which no standard has. */
const overloadedStatus = 529;

/** The error before a reply has begun. */
export function writeError(error: GatewayError, requestId: string): HttpReply {
  return {
    status: statusOf(error),
    headers: {
      "content-type": "application/json",
      "request-id": requestId,
      ...(error.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(error.retryAfterMs / 1000)) }),
    },
    body: JSON.stringify(errorBody(error, requestId)),
  };
}

/** The event that ends a stream which has begun. */
export function writeErrorEvent(error: GatewayError, requestId: string): string {
  return `event: error\ndata: ${JSON.stringify(errorBody(error, requestId))}\n\n`;
}

function errorBody(error: GatewayError, requestId: string): unknown {
  return { type: "error", error: { type: typeOf(error), message: error.message }, request_id: requestId };
}

function statusOf(error: GatewayError): number {
  return isOverload(error) ? overloadedStatus : error.httpStatus;
}

function isOverload(error: GatewayError): boolean {
  return error.reason === "OVERLOADED" || (error.reason === "UPSTREAM_UNAVAILABLE" && error.metadata["status"] === String(overloadedStatus));
}

/**
 * The type for a status; 400 and above stands for every other mistake of the caller, 500 and above for every other failure.
 * Source: https://platform.claude.com/docs/en/api/errors
 */
function typeOf(error: GatewayError): string {
  const status = statusOf(error);
  return types.get(status) ?? (status < 500 ? "invalid_request_error" : "api_error");
}

const types: ReadonlyMap<number, string> = new Map([
  [401, "authentication_error"],
  [402, "billing_error"],
  [403, "permission_error"],
  [404, "not_found_error"],
  [409, "conflict_error"],
  [413, "request_too_large"],
  [429, "rate_limit_error"],
  [504, "timeout_error"],
  [overloadedStatus, "overloaded_error"],
]);
