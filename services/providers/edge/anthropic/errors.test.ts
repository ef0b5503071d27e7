import type { ErrorResponse } from "@anthropic-ai/sdk/resources/shared";
import { describe, expect, it } from "vitest";
import { readError } from "./errors.ts";

const secretText = "key sk-ant-123 of organization org_9 is not allowed";

function reply(status: number, type: ErrorResponse["error"]["type"] | "request_too_large", headers: Record<string, string> = {}) {
  const body = { type: "error", error: { type, message: secretText }, request_id: "req_1" };
  return { status, headers, body: Buffer.from(JSON.stringify(body)) };
}

describe("an error of Anthropic", () => {
  it.each([
    [400, "invalid_request_error", "UPSTREAM_REJECTED"],
    [401, "authentication_error", "UPSTREAM_UNAUTHENTICATED"],
    [402, "billing_error", "UPSTREAM_UNAUTHENTICATED"],
    [403, "permission_error", "UPSTREAM_UNAUTHENTICATED"],
    [404, "not_found_error", "UPSTREAM_REJECTED"],
    [408, "timeout_error", "UPSTREAM_UNAVAILABLE"],
    [413, "request_too_large", "UPSTREAM_REJECTED"],
    [422, "invalid_request_error", "UPSTREAM_REJECTED"],
    [429, "rate_limit_error", "UPSTREAM_RATE_LIMITED"],
    [500, "api_error", "UPSTREAM_UNAVAILABLE"],
    [503, "api_error", "UPSTREAM_UNAVAILABLE"],
    [504, "timeout_error", "UPSTREAM_UNAVAILABLE"],
    [529, "overloaded_error", "UPSTREAM_UNAVAILABLE"],
  ] as const)("%d %s means %s", (status, type, reason) => {
    const error = readError(reply(status, type));
    expect(error).toMatchObject({ reason, metadata: { status: String(status), type } });
    // Only what was wrong with the request itself is the caller's to read.
    expect(error.message.includes(secretText)).toBe(reason === "UPSTREAM_REJECTED");
  });

  it("tells when to try again", () => {
    expect(readError(reply(429, "rate_limit_error", { "retry-after": "1.5" })).retryAfterMs).toBe(1500);
    expect(readError(reply(529, "overloaded_error", { "retry-after": "30" })).retryAfterMs).toBe(30_000);
    for (const value of ["Wed, 21 Oct 2026 07:28:00 GMT", "-1"]) expect(readError(reply(429, "rate_limit_error", { "retry-after": value })).retryAfterMs).toBeUndefined();
  });

  it.each(["", "<html>bad gateway</html>", "null", "[]", '{"error":7}', '{"error":{"type":1,"message":{}}}'])("is read as far as it can be: %s", (text) => {
    const body = Buffer.from(text);
    expect(readError({ status: 502, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE", message: "Anthropic failed with status 502." });
    expect(readError({ status: 400, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_REJECTED", message: "Anthropic refused the request with status 400." });
  });

  it("is a breach of protocol when it is no error at all", () => {
    expect(readError({ status: 302, headers: {}, body: Buffer.of() })).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
  });
});
