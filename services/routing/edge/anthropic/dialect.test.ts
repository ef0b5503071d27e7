import Anthropic from "@anthropic-ai/sdk";
import type { ErrorResponse } from "@anthropic-ai/sdk/resources/shared";
import { describe, expect, it } from "vitest";
import { GatewayError, type GatewayErrorOptions, type Reason } from "#platform/errors.ts";
import { anthropicDialect } from "./dialect.ts";

describe("the dialect", () => {
  it("claims what its clients send, and nothing else", () => {
    expect(anthropicDialect.claims({ "anthropic-version": "2023-06-01" }, "")).toBe(true);
    expect(anthropicDialect.claims({ "x-api-key": "k" }, "")).toBe(true);
    expect(anthropicDialect.claims({ authorization: "Bearer k" }, "")).toBe(false);
  });

  it.each([
    [{ "x-api-key": "k" }, "k"],
    [{ authorization: "Bearer k" }, "k"],
    [{ authorization: "bearer  k " }, "k"],
    [{ "x-api-key": "k", authorization: "Bearer other" }, "k"],
    [{ authorization: "Basic k" }, undefined],
    [{}, undefined],
  ])("finds the key in %j", (headers, key) => {
    expect(anthropicDialect.readCredential(headers, "")).toBe(key);
  });

  it("reads nothing but the model and whether to stream until types are wanted", () => {
    const endpoint = anthropicDialect.endpoints.find(({ operation }) => operation === "generate");
    if (endpoint?.operation !== "generate") throw new Error("no endpoint");
    const target = { model: "", query: "" };
    const call = endpoint.read({ model: "m", stream: true, messages: "not yet looked at", container: "c" }, target);
    expect(call).toMatchObject({ model: "m", stream: true, unknownFields: [] });
    expect(() => call.toGeneration()).toThrow("messages must be a list");
    const translated = endpoint.read({ model: "m", messages: [], container: "c" }, target);
    translated.toGeneration();
    expect(translated.unknownFields).toEqual(["container"]);
    expect(() => endpoint.read({ model: 7 }, target)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
    expect(() => endpoint.read({ model: "m", stream: "yes" }, target)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });
});

describe("an error", () => {
  const written = (reason: Reason, options: GatewayErrorOptions = {}) => anthropicDialect.writeError(new GatewayError(reason, "what, why, what to do", options), "req_1");

  it("has Anthropic's shape", () => {
    const { headers, body } = written("UPSTREAM_RATE_LIMITED", { retryAfterMs: 1200 });
    expect(JSON.parse(body)).toEqual({
      type: "error",
      error: { type: "rate_limit_error", message: "what, why, what to do" },
      request_id: "req_1",
    } satisfies ErrorResponse);
    expect(headers).toEqual({ "content-type": "application/json", "request-id": "req_1", "retry-after": "2" });
  });

  it.each([
    ["INVALID_REQUEST", {}, Anthropic.BadRequestError, "invalid_request_error"],
    ["MALFORMED_BODY", {}, Anthropic.BadRequestError, "invalid_request_error"],
    ["KEY_MISSING", {}, Anthropic.AuthenticationError, "authentication_error"],
    ["KEY_REVOKED", {}, Anthropic.AuthenticationError, "authentication_error"],
    ["MODEL_NOT_ALLOWED", {}, Anthropic.PermissionDeniedError, "permission_error"],
    ["MODEL_NOT_FOUND", {}, Anthropic.NotFoundError, "not_found_error"],
    ["METHOD_NOT_FOUND", {}, Anthropic.NotFoundError, "not_found_error"],
    ["BODY_TOO_LARGE", {}, Anthropic.APIError, "request_too_large"],
    ["UPSTREAM_REJECTED", { metadata: { status: "422" } }, Anthropic.UnprocessableEntityError, "invalid_request_error"],
    ["UPSTREAM_RATE_LIMITED", {}, Anthropic.RateLimitError, "rate_limit_error"],
    ["UPSTREAM_UNAVAILABLE", {}, Anthropic.InternalServerError, "api_error"],
    ["UPSTREAM_UNAVAILABLE", { metadata: { status: "529" } }, Anthropic.InternalServerError, "overloaded_error"],
    ["OVERLOADED", {}, Anthropic.InternalServerError, "overloaded_error"],
    ["UPSTREAM_TIMEOUT", {}, Anthropic.InternalServerError, "timeout_error"],
    ["UPSTREAM_UNAUTHENTICATED", {}, Anthropic.InternalServerError, "api_error"],
    ["INTERNAL", {}, Anthropic.InternalServerError, "api_error"],
  ] as const)("%s %o is raised by the official client as its own class", async (reason, options, expectedClass, type) => {
    const { status, headers, body } = written(reason, options);
    const client = new Anthropic({ apiKey: "k", maxRetries: 0, fetch: () => Promise.resolve(new Response(body, { status, headers })) });
    const error: unknown = await client.messages.create({ model: "m", max_tokens: 1, messages: [] }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(expectedClass);
    expect(error).toMatchObject({ status, type, requestID: "req_1", error: { error: { message: "what, why, what to do" } } });
  });
});
