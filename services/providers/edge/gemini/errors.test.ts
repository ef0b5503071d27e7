import { describe, expect, it } from "vitest";
import { readError } from "./errors.ts";

const secretText = "Project 1234 of jane@example.com has been refused";

/** As https://ai.google.dev/gemini-api/docs/generate-content/api-errors shows it. */
function reply(code: number, status: string, extra: { message?: string; details?: object[]; headers?: Record<string, string> } = {}) {
  const error = { code, status, message: extra.message ?? secretText, ...(extra.details === undefined ? {} : { details: extra.details }) };
  return { status: code, headers: extra.headers ?? {}, body: Buffer.from(JSON.stringify({ error })) };
}

const keyInvalid = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" };
const retryInfo = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.074824224s" };

describe("an error of Gemini", () => {
  it.each([
    [400, "INVALID_ARGUMENT", "UPSTREAM_REJECTED"],
    [400, "FAILED_PRECONDITION", "UPSTREAM_REJECTED"],
    [401, "UNAUTHENTICATED", "UPSTREAM_UNAUTHENTICATED"],
    [403, "PERMISSION_DENIED", "UPSTREAM_UNAUTHENTICATED"],
    [404, "NOT_FOUND", "UPSTREAM_REJECTED"],
    [429, "RESOURCE_EXHAUSTED", "UPSTREAM_RATE_LIMITED"],
    [499, "CANCELLED", "UPSTREAM_UNAVAILABLE"],
    [500, "INTERNAL", "UPSTREAM_UNAVAILABLE"],
    [503, "UNAVAILABLE", "UPSTREAM_UNAVAILABLE"],
    [504, "DEADLINE_EXCEEDED", "UPSTREAM_UNAVAILABLE"],
  ] as const)("%d %s means %s", (code, status, reason) => {
    const error = readError(reply(code, status));
    expect(error).toMatchObject({ reason, metadata: { status: String(code), type: status } });
    // Only what was wrong with the request itself is the caller's to read.
    expect(error.message.includes(secretText)).toBe(reason === "UPSTREAM_REJECTED");
  });

  it.each([
    reply(400, "INVALID_ARGUMENT", { details: [keyInvalid] }),
    reply(400, "INVALID_ARGUMENT", { message: "API key expired. Please renew the API key." }),
    reply(400, "FAILED_PRECONDITION", { message: "User location is not supported for the API use." }),
    reply(400, "FAILED_PRECONDITION", { message: "Gemini API free tier is not available in your country." }),
  ])("is about the gateway's account also with status 400: %#", (answer) => {
    const error = readError(answer);
    expect(error.reason).toBe("UPSTREAM_UNAUTHENTICATED");
    expect(error.message).not.toMatch(/expired|location|country/);
  });

  it("tells when to try again", () => {
    expect(readError(reply(429, "RESOURCE_EXHAUSTED", { details: [keyInvalid, retryInfo] })).retryAfterMs).toBe(34_075);
    expect(readError(reply(503, "UNAVAILABLE", { headers: { "retry-after": "2" } })).retryAfterMs).toBe(2000);
    expect(readError(reply(429, "RESOURCE_EXHAUSTED", { details: [{ ...retryInfo, retryDelay: "soon" }] })).retryAfterMs).toBeUndefined();
  });

  it("is read out of a list, too", () => {
    const body = Buffer.from(JSON.stringify([JSON.parse(reply(400, "INVALID_ARGUMENT", { message: "bad" }).body.toString())]));
    expect(readError({ status: 400, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_REJECTED", message: "bad" });
  });

  it.each(["", "<html>bad gateway</html>", "null", "[]", '{"error":7}', '{"error":{"status":1,"message":{}}}'])("is read as far as it can be: %s", (text) => {
    const body = Buffer.from(text);
    expect(readError({ status: 502, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE", message: "Gemini failed with status 502." });
    expect(readError({ status: 400, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_REJECTED", message: "Gemini refused the request with status 400." });
  });

  it("is a breach of protocol when it is no error at all", () => {
    expect(readError({ status: 302, headers: {}, body: Buffer.of() })).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
  });
});
