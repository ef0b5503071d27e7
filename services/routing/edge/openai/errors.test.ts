import OpenAI, { APIError, AuthenticationError, BadRequestError, ConflictError, InternalServerError, NotFoundError, PermissionDeniedError, RateLimitError, UnprocessableEntityError } from "openai";
import { expect, test } from "vitest";
import { GatewayError, type GatewayErrorOptions, type Reason } from "#platform/errors.ts";
import { openaiDialect } from "./dialect.ts";

/** The error that the official client throws for this reply. */
async function thrownFor(reason: Reason, options: GatewayErrorOptions = {}): Promise<APIError> {
  const { status, headers, body } = openaiDialect.writeError(new GatewayError(reason, "What failed.", options), "req_1");
  const client = new OpenAI({ apiKey: "key", maxRetries: 0, fetch: () => Promise.resolve(new Response(body, { status, headers })) });
  return client.chat.completions.create({ model: "m", messages: [] }).then(
    () => expect.unreachable(),
    (error: unknown) => error as APIError,
  );
}

const cases: readonly (readonly [Reason, new (...input: never[]) => APIError, type: string, code: string | null])[] = [
  ["INVALID_REQUEST", BadRequestError, "invalid_request_error", null],
  ["MALFORMED_BODY", BadRequestError, "invalid_request_error", null],
  ["UNSUPPORTED_FIELD", BadRequestError, "invalid_request_error", "unsupported_parameter"],
  ["BODY_TOO_LARGE", APIError, "invalid_request_error", "body_too_large"],
  ["KEY_MISSING", AuthenticationError, "invalid_request_error", "invalid_api_key"],
  ["KEY_INVALID", AuthenticationError, "invalid_request_error", "invalid_api_key"],
  ["KEY_REVOKED", AuthenticationError, "invalid_request_error", "invalid_api_key"],
  ["MODEL_NOT_ALLOWED", PermissionDeniedError, "invalid_request_error", "model_not_allowed"],
  ["MODEL_NOT_FOUND", NotFoundError, "invalid_request_error", "model_not_found"],
  ["METHOD_NOT_FOUND", NotFoundError, "invalid_request_error", "unknown_url"],
  ["ATTEMPT_REPEATED", ConflictError, "invalid_request_error", "attempt_repeated"],
  ["BUDGET_EXCEEDED", RateLimitError, "insufficient_quota", "insufficient_quota"],
  ["UPSTREAM_RATE_LIMITED", RateLimitError, "rate_limit_error", "rate_limit_exceeded"],
  ["UPSTREAM_UNAUTHENTICATED", InternalServerError, "server_error", "upstream_unauthenticated"],
  ["UPSTREAM_TIMEOUT", InternalServerError, "server_error", "upstream_timeout"],
  ["CIRCUIT_OPEN", InternalServerError, "service_unavailable_error", "circuit_open"],
  ["INTERNAL", InternalServerError, "server_error", "internal"],
];

test.each(cases)("%s makes the official client raise its own class", async (reason, errorClass, type, code) => {
  const error = await thrownFor(reason);
  expect(error).toBeInstanceOf(errorClass);
  expect(error).toMatchObject({ type, code, param: null, requestID: "req_1" });
  expect(error.message).toContain("What failed.");
});

test("a vendor's refusal keeps the vendor's status and words", async () => {
  const error = await thrownFor("UPSTREAM_REJECTED", { metadata: { status: "422", type: "schema_error", code: "bad_schema", param: "tools" } });
  expect(error).toBeInstanceOf(UnprocessableEntityError);
  expect(error).toMatchObject({ type: "schema_error", code: "bad_schema", param: "tools" });
  expect(await thrownFor("UPSTREAM_REJECTED", { metadata: { status: "400" } })).toMatchObject({ type: "invalid_request_error", code: null, param: null });
});

test("names the field at fault", async () => {
  expect(await thrownFor("INVALID_REQUEST", { fieldViolations: [{ field: "n", description: "is wrong" }] })).toMatchObject({ param: "n" });
  expect(await thrownFor("UNSUPPORTED_FIELD", { metadata: { field: "sampling.top_k" } })).toMatchObject({ param: "sampling.top_k" });
});

test("says when to come back", async () => {
  const error = await thrownFor("UPSTREAM_RATE_LIMITED", { retryAfterMs: 1_200.5 });
  expect(error.headers?.get("retry-after")).toBe("2");
  expect(error.headers?.get("retry-after-ms")).toBe("1201");
  expect((await thrownFor("UPSTREAM_RATE_LIMITED")).headers?.has("retry-after")).toBe(false);
});
