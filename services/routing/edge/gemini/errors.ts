/** Owns errors in Google's shape: a google.rpc.Status as JSON, https://google.aip.dev/193#http11json-representation. */
import type { GatewayError } from "#platform/errors.ts";
import type { HttpReply } from "../../domain/dialect.ts";

/** The error before a reply has begun. */
export function writeError(error: GatewayError, requestId: string): HttpReply {
  return {
    status: error.httpStatus,
    headers: {
      "content-type": "application/json; charset=UTF-8",
      ...(error.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(error.retryAfterMs / 1000)) }),
    },
    body: JSON.stringify(writeStatus(error, requestId)),
  };
}

/** The body alone, as it also stands in a stream. */
export function writeStatus(error: GatewayError, requestId: string): { error: object } {
  return { error: { code: error.httpStatus, message: error.message, status: statusOf(error.httpStatus), details: detailsOf(error, requestId) } };
}

function detailsOf({ reason, metadata, fieldViolations, retryAfterMs }: GatewayError, requestId: string): object[] {
  return [
    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "weir.dev", metadata },
    { "@type": "type.googleapis.com/google.rpc.RequestInfo", requestId },
    ...(fieldViolations.length === 0 ? [] : [{ "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations }]),
    ...(retryAfterMs === undefined ? [] : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${retryAfterMs / 1000}s` }]),
  ];
}

/** The canonical code for a status, as Google maps them: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
function statusOf(status: number): string {
  return statuses.get(status) ?? (status < 500 ? "INVALID_ARGUMENT" : "UNAVAILABLE");
}

const statuses: ReadonlyMap<number, string> = new Map([
  [401, "UNAUTHENTICATED"],
  [403, "PERMISSION_DENIED"],
  [404, "NOT_FOUND"],
  [409, "ALREADY_EXISTS"],
  [429, "RESOURCE_EXHAUSTED"],
  [499, "CANCELLED"],
  [500, "INTERNAL"],
  [504, "DEADLINE_EXCEEDED"],
]);
