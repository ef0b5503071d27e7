import { expect, test } from "vitest";
import { readError, readErrorEvent } from "./errors.ts";
import { retryAfterMsOf } from "./retry-after.ts";

function errorFor(status: number, body: unknown, headers: Record<string, string> = {}) {
  return readError({ status, headers, body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)) });
}

test.each([400, 404, 413, 422])("%i is a refusal in the vendor's words, with its status", (status) => {
  const error = errorFor(status, { error: { message: "Invalid 'n'.", type: "invalid_request_error", param: "n", code: "integer_above_max_value" } });
  expect(error).toMatchObject({
    reason: "UPSTREAM_REJECTED",
    message: "Invalid 'n'.",
    httpStatus: status,
    metadata: { status: String(status), type: "invalid_request_error", param: "n", code: "integer_above_max_value" },
  });
});

test.each([401, 403])("%i never repeats the vendor's text", (status) => {
  const error = errorFor(status, { error: { message: "Incorrect API key provided: sk-secret.", type: "invalid_request_error", code: "invalid_api_key for sk-secret", param: "sk-secret" } });
  expect(error.reason).toBe("UPSTREAM_UNAUTHENTICATED");
  expect(JSON.stringify([error.message, error.metadata, error.cause])).not.toContain("sk-secret");
});

test.each([
  ["xAI", { code: "The caller does not have permission to execute the specified operation", error: "Content violates usage guidelines. Team: 1f-team, API key ID: 2e-key, Model: grok-4, Failed check: SAFETY_CHECK_TYPE_BIO" }],
  ["OpenRouter", { error: { code: 403, message: "Your chosen model requires moderation and your input was flagged", metadata: { reasons: ["violence"], flagged_input: "how to …", provider_name: "OpenAI" } } }],
])("403 of %s for what a caller said is nothing against the key", (_, body) => {
  const error = errorFor(403, body);
  expect(error).toMatchObject({ reason: "UPSTREAM_REJECTED", httpStatus: 403, message: expect.stringContaining("rules for content") });
  expect(JSON.stringify([error.message, error.metadata])).not.toMatch(/1f-team|2e-key|how to/);
});

test("403 for a model that is kept from the project is nothing against the key, and does not name the project", () => {
  const error = errorFor(403, { error: { message: "Project `proj_operator` does not have access to model `gpt-4o`", type: "invalid_request_error", param: null, code: "model_not_found" } });
  expect(error).toMatchObject({ reason: "UPSTREAM_REJECTED", httpStatus: 403, metadata: { status: "403", code: "model_not_found" } });
  expect(JSON.stringify([error.message, error.metadata])).not.toContain("proj_operator");
});

test("429 says when to come back, and nothing of the operator's account", () => {
  const error = errorFor(429, { error: { message: "Rate limit reached in organization org-operator", type: "requests", param: null, code: "rate_limit_exceeded" } }, { "retry-after": "2" });
  expect(error).toMatchObject({ reason: "UPSTREAM_RATE_LIMITED", retryAfterMs: 2000, metadata: { status: "429", type: "requests", code: "rate_limit_exceeded" } });
  expect(error.message).not.toContain("org-operator");
});

test.each([
  [429, { error: { message: "You exceeded your current quota", type: "insufficient_quota", param: null, code: "insufficient_quota" } }],
  [402, { error: { message: "Insufficient Balance" } }],
])("%i for a used-up quota is the operator's affair", (status, body) => {
  const error = errorFor(status, body, { "retry-after": "1" });
  expect(error.reason).toBe("UPSTREAM_RATE_LIMITED");
  expect(error.message).toContain("quota");
  expect(error.retryAfterMs).toBeUndefined();
});

test.each([408, 500, 502, 503, 529])("%i is a failure of the vendor", (status) => {
  expect(errorFor(status, "<html>Bad gateway</html>")).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE", metadata: { status: String(status) } });
});

test("a redirect is no reply", () => {
  expect(errorFor(302, "")).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
});

test.each([
  ["a string", { error: "model is required" }, "model is required"],
  ["flat members", { object: "error", message: "too long", code: 400 }, "too long"],
  ["FastAPI's detail", { detail: "Not Found" }, "Not Found"],
  ["FastAPI's list", { detail: [{ type: "extra_forbidden", loc: ["body", "store"], msg: "Extra inputs are not permitted", input: false }, { msg: "and this" }] }, "body.store: Extra inputs are not permitted; and this"],
  ["Mistral's message", { object: "error", message: { detail: [{ type: "missing", loc: ["body", "messages"], msg: "Field required" }] }, type: "invalid_request_error" }, "body.messages: Field required"],
  ["a list", [{ error: { message: "bad", code: 400, status: "INVALID_ARGUMENT" } }], "bad"],
  ["no JSON", "<html>", "The vendor refused the request with status 400."],
  ["nothing", "", "The vendor refused the request with status 400."],
  ["null", "null", "The vendor refused the request with status 400."],
])("reads an error that is %s", (_name, body, message) => {
  expect(errorFor(400, body)).toMatchObject({ reason: "UPSTREAM_REJECTED", message });
});

test("bounds the vendor's message", () => {
  expect(errorFor(400, { error: { message: "x".repeat(100_000) } }).message).toHaveLength(2_000);
});

test.each([
  [{ error: { message: "The server had an error", type: "server_error", code: null } }, "UPSTREAM_UNAVAILABLE"],
  [{ error: { message: "Provider disconnected", code: 502 } }, "UPSTREAM_UNAVAILABLE"],
  [{ error: "boom" }, "UPSTREAM_UNAVAILABLE"],
  [{ error: { message: "slow down", code: "rate_limit_exceeded" } }, "UPSTREAM_RATE_LIMITED"],
  [{ error: { message: "bad", type: "invalid_request_error" } }, "UPSTREAM_REJECTED"],
  [{ error: { message: "sk-secret", code: "invalid_api_key" } }, "UPSTREAM_UNAUTHENTICATED"],
  [{ message: "flat", code: 400 }, "UPSTREAM_REJECTED"],
])("the event %j means %s", (event, reason) => {
  expect(readErrorEvent(event).reason).toBe(reason);
});

test.each([
  [{}, undefined],
  [{ "retry-after-ms": "1500", "retry-after": "9" }, 1500],
  [{ "retry-after": "0.5" }, 500],
  [{ "retry-after": "Sat, 21 Nov 2026 00:00:30 GMT", date: "Sat, 21 Nov 2026 00:00:00 GMT" }, 30_000],
  [{ "retry-after": "soon" }, undefined],
  [{ "retry-after-ms": "9".repeat(400) }, undefined],
  [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "99999999999999999h" }, undefined],
  [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-tokens": "10", "x-ratelimit-reset-tokens": "9h" }, 360_000],
  [{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12ms" }, 12],
  [{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s" }, 3_723_500],
  [{ "x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "12ms" }, undefined],
])("%j means to wait %s ms", (headers, expected) => {
  expect(retryAfterMsOf(headers)).toBe(expected);
});
