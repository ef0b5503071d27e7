import { describe, expect, it } from "vitest";
import { readError } from "./errors.ts";

const secretText = "User: arn:aws:iam::123456789012:user/weir is not allowed";

function reply(status: number, type: string, headers: Record<string, string> = {}) {
  return { status, headers: { "x-amzn-errortype": type, ...headers }, body: Buffer.from(JSON.stringify({ message: secretText })) };
}

describe("an error of Bedrock", () => {
  // https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html and the errors of …/APIReference/API_runtime_Converse.html
  it.each([
    [400, "ValidationException", "UPSTREAM_REJECTED"],
    [404, "ResourceNotFoundException", "UPSTREAM_REJECTED"],
    [409, "ConflictException", "UPSTREAM_REJECTED"],
    [403, "AccessDeniedException", "UPSTREAM_UNAUTHENTICATED"],
    [400, "AccessDeniedException", "UPSTREAM_UNAUTHENTICATED"],
    [403, "UnrecognizedClientException", "UPSTREAM_UNAUTHENTICATED"],
    [403, "InvalidSignatureException", "UPSTREAM_UNAUTHENTICATED"],
    [403, "ExpiredTokenException", "UPSTREAM_UNAUTHENTICATED"],
    [400, "IncompleteSignature", "UPSTREAM_UNAUTHENTICATED"],
    [400, "RequestExpired", "UPSTREAM_UNAUTHENTICATED"],
    [404, "FTUFormNotFilled", "UPSTREAM_UNAUTHENTICATED"],
    [429, "ThrottlingException", "UPSTREAM_RATE_LIMITED"],
    [400, "ServiceQuotaExceededException", "UPSTREAM_RATE_LIMITED"],
    [429, "ModelNotReadyException", "UPSTREAM_UNAVAILABLE"],
    [408, "ModelTimeoutException", "UPSTREAM_UNAVAILABLE"],
    [424, "ModelErrorException", "UPSTREAM_UNAVAILABLE"],
    [500, "InternalServerException", "UPSTREAM_UNAVAILABLE"],
    [503, "ServiceUnavailableException", "UPSTREAM_UNAVAILABLE"],
  ] as const)("%d %s means %s", (status, type, reason) => {
    const error = readError(reply(status, type));
    expect(error).toMatchObject({ reason, metadata: { status: String(status), type } });
    // Only what was wrong with the request itself is the caller's to read.
    expect(error.message.includes(secretText)).toBe(reason === "UPSTREAM_REJECTED");
  });

  it.each([
    [{ "x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/" }, {}],
    [{}, { __type: "com.amazon.coral.service#ValidationException" }],
    [{}, { code: "ValidationException" }],
  ])("has its bare name, wherever it stands: %j %j", (headers, body) => {
    expect(readError({ status: 400, headers, body: Buffer.from(JSON.stringify({ Message: "wrong", ...body })) })).toMatchObject({ message: "wrong", metadata: { type: "ValidationException" } });
  });

  it("tells when to try again", () => {
    expect(readError(reply(429, "ThrottlingException", { "retry-after": "1.5" })).retryAfterMs).toBe(1500);
    expect(readError(reply(429, "ThrottlingException", { "retry-after": "soon" })).retryAfterMs).toBeUndefined();
  });

  it.each(["", "<html>bad gateway</html>", "null", "[]", '{"message":7}'])("is read as far as it can be: %s", (text) => {
    const body = Buffer.from(text);
    expect(readError({ status: 502, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE", message: "Bedrock failed with status 502." });
    expect(readError({ status: 400, headers: {}, body })).toMatchObject({ reason: "UPSTREAM_REJECTED", message: "Bedrock refused the request with status 400." });
  });

  it("is a breach of protocol when it is no error at all", () => {
    expect(readError({ status: 302, headers: {}, body: Buffer.of() })).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
  });
});
