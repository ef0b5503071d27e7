/** Owns which web pages may call: the CORS headers of every reply and the answer to preflights. */
import { cors as connectCors } from "@connectrpc/connect";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";

const allowedMethods = [...connectCors.allowedMethods, "OPTIONS"].join(", ");
const exposedHeaders = [...connectCors.exposedHeaders, "x-request-id", "request-id", "retry-after", "x-weir-target", "x-weir-reason", "x-weir-warnings", "x-weir-upstream-request-id", "x-weir-cache", "x-weir-cache-similarity", "age"].join(", ");
const preflightSeconds = "7200";

/** Adds the headers; true when the request was a preflight and has been answered. */
export function answerCors(request: HttpRequest, response: HttpResponse, allowedOrigins: readonly string[]): boolean {
  const { origin } = request.headers;
  const isPreflight = request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
  if (origin === undefined) return false;
  const isAllowed = allowedOrigins.includes("*") || allowedOrigins.includes(origin);
  response.setHeader("vary", "origin");
  if (isAllowed) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", exposedHeaders);
  }
  if (!isPreflight) return false;
  if (isAllowed) {
    response.setHeader("access-control-allow-methods", allowedMethods);
    // Callers of other origins authenticate by a header, never by a cookie or a certificate, so any header may be sent.
    response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "");
    response.setHeader("access-control-max-age", preflightSeconds);
  }
  response.writeHead(204);
  response.end();
  return true;
}
