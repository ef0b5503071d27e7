import { expect, test } from "vitest";
import { GatewayError } from "#platform/errors.ts";
import { withLengthNoted } from "./length-refusal.ts";

const noted = (message: string, metadata: Record<string, string> = { status: "400" }, reason: GatewayError["reason"] = "UPSTREAM_REJECTED") => withLengthNoted(new GatewayError(reason, message, { metadata })).metadata["too_long"];

test.each([
  "This model's maximum context length is 128000 tokens. However, your messages resulted in 411525 tokens.",
  "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
  "Prompt contains 66385 tokens, too large for model with 32768 maximum context length",
  "prompt is too long: 208310 tokens > 200000 maximum",
  "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
  "The input token count (1203437) exceeds the maximum number of tokens allowed (1048576).",
  "Input is too long for requested model.",
  "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5013 `inputs` tokens and 128 `max_new_tokens`",
])("%s", (message) => {
  expect(noted(message)).toBe("true");
});

test("a code, or the status, says so too", () => {
  expect(noted("no", { status: "400", code: "context_length_exceeded" })).toBe("true");
  expect(noted("no", { status: "413" })).toBe("true");
});

test("no other refusal, and no other failure, does", () => {
  expect(noted("max_tokens is too large: 999999. This model supports at most 16384 completion tokens")).toBeUndefined();
  expect(noted("prompt is too long", { status: "500" }, "UPSTREAM_UNAVAILABLE")).toBeUndefined();
});
