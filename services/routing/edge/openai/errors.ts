/** Owns errors in OpenAI's shape, such that the official clients raise their own classes for them. */
import type { GatewayError, Reason } from "#platform/errors.ts";
import type { HttpReply } from "../../domain/dialect.ts";

/** Statuses choose the client's class; `type` and `code` are for programs: https://developers.openai.com/api/docs/guides/error-codes */
export function writeError(error: GatewayError, requestId: string): HttpReply {
  return {
    status: error.httpStatus,
    headers: { "content-type": "application/json", "x-request-id": requestId, ...retryHeaders(error.retryAfterMs) },
    body: JSON.stringify(writeErrorBody(error, requestId)),
  };
}

/** The body alone, as it also stands in a stream. The request id is in it because a stream's headers are gone. */
export function writeErrorBody(error: GatewayError, requestId: string): { error: object } {
  const { type, code } = classOf(error);
  return { error: { message: error.message, type, param: paramOf(error), code, request_id: requestId } };
}

/** The error as the event that ends a stream. */
export function writeStreamError(error: GatewayError, requestId: string): string {
  return `data: ${JSON.stringify(writeErrorBody(error, requestId))}\n\n`;
}

function retryHeaders(retryAfterMs: number | undefined): Record<string, string> {
  if (retryAfterMs === undefined) return {};
  return { "retry-after": String(Math.ceil(retryAfterMs / 1000)), "retry-after-ms": String(Math.ceil(retryAfterMs)) };
}

function paramOf({ reason, fieldViolations, metadata }: GatewayError): string | null {
  if (reason === "UPSTREAM_REJECTED") return metadata["param"] || null;
  return fieldViolations[0]?.field ?? (reason === "UNSUPPORTED_FIELD" ? (metadata["field"] ?? null) : null);
}

/** A vendor's refusal keeps the vendor's own words where they are given; Weir's reasons without a counterpart are the code in lower case. */
function classOf({ reason, httpStatus, metadata }: GatewayError): { readonly type: string; readonly code: string | null } {
  if (reason === "UPSTREAM_REJECTED") return { type: metadata["type"] || "invalid_request_error", code: metadata["code"] || null };
  if (reason === "BUDGET_EXCEEDED") return { type: "insufficient_quota", code: "insufficient_quota" };
  const type = typeOf(httpStatus);
  const known = codes[reason];
  return { type, code: known === undefined ? reason.toLowerCase() : known };
}

function typeOf(status: number): string {
  if (status === 429) return "rate_limit_error";
  if (status === 503) return "service_unavailable_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

const codes: { readonly [Name in Reason]?: string | null } = {
  INVALID_REQUEST: null,
  MALFORMED_BODY: null,
  UNSUPPORTED_FIELD: "unsupported_parameter",
  METHOD_NOT_FOUND: "unknown_url",
  KEY_INVALID: "invalid_api_key",
  KEY_MISSING: "invalid_api_key",
  KEY_REVOKED: "invalid_api_key",
  MODEL_NOT_FOUND: "model_not_found",
  RATE_LIMITED: "rate_limit_exceeded",
  UPSTREAM_RATE_LIMITED: "rate_limit_exceeded",
};
