/** Owns the proof that errors are told from replies by what is said, not by the status that came with it. */
import { expect, test } from "vitest";
import { readError } from "../../edge/openai/errors.ts";
import { refuseErrorBody } from "./error-body.ts";

const refuse = (body: unknown) => (): void => refuseErrorBody(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), { readError });

test.each([
  [{ error: { message: "Provider returned error", code: 502 } }, "UPSTREAM_UNAVAILABLE"],
  [{ error: { message: "Rate limit exceeded", code: 429 } }, "UPSTREAM_RATE_LIMITED"],
  [{ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, "UPSTREAM_UNAVAILABLE"],
  [{ error: { type: "authentication_error", message: "no" } }, "UPSTREAM_UNAUTHENTICATED"],
  [{ error: { type: "invalid_request_error", message: "no" } }, "UPSTREAM_REJECTED"],
  [{ error: "model is loading", status_code: 503 }, "UPSTREAM_UNAVAILABLE"],
  [{ choices: [{ index: 0, message: { content: "half a" }, finish_reason: "error", error: { code: 502, message: "no" } }] }, "UPSTREAM_UNAVAILABLE"],
  [{ choices: [{ index: 0, message: { content: "half a" }, finish_reason: "error" }] }, "UPSTREAM_UNAVAILABLE"],
  [{ choices: [{ index: 0, message: { content: "" }, error: { code: 429, message: "no" } }] }, "UPSTREAM_RATE_LIMITED"],
  [{ choices: [], error: { code: "x", message: "no" } }, "UPSTREAM_UNAVAILABLE"],
])("%j is an error", (body, reason) => {
  expect(refuse(body)).toThrow(expect.objectContaining({ reason }) as Error);
});

test.each([
  { choices: [{ index: 0, message: { content: "hi" } }], error: { message: "late", code: 502 } },
  { object: "response", status: "failed", error: { code: "server_error", message: "no" } },
  { output: [{ error: { message: "of a tool" } }] },
  { error: null },
  { error: "" },
  { content: 'they said {"error": {"code": 500}}' },
  '{"error": {',
  '["error", {"error": {}}]',
])("%j is none", (body) => {
  expect(refuse(body)).not.toThrow();
});
