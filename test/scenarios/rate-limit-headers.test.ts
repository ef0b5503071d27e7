import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }] };
const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "flow" }], stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 3, output_tokens: 1 } };
const resetTime = "2100-01-01T00:00:00.000Z";

let openaiVendor: ScriptedProvider;
let anthropicVendor: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  openaiVendor = await startScriptedProvider(
    json(200, completion, { "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "soon" }),
  );
  anthropicVendor = await startScriptedProvider(
    json(200, message, { "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49", "anthropic-ratelimit-requests-reset": resetTime, "anthropic-ratelimit-input-tokens-remaining": "7000" }),
  );
  weir = await startWeir({
    config: `
providers:
  openai: { vendor: openai, api_key: k, base_url: "${openaiVendor.baseUrl}", models: [m] }
  anthropic: { vendor: anthropic, api_key: k, base_url: "${anthropicVendor.baseUrl}", models: [m] }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([openaiVendor?.stop(), anthropicVendor?.stop()]);
});

function openai(): OpenAI {
  return new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
}

function anthropic(): Anthropic {
  return new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
}

test("a vendor's rate limits reach a caller of another dialect under that dialect's names", async () => {
  const { response: fromAnthropic } = await openai().chat.completions.create({ model: "anthropic/m", messages: [{ role: "user", content: "Hi" }], max_completion_tokens: 9 }).withResponse();
  expect(headersLike(fromAnthropic, "ratelimit")).toEqual({
    "x-ratelimit-limit-requests": "50",
    "x-ratelimit-remaining-requests": "49",
    "x-ratelimit-reset-requests": expect.stringMatching(/^\d+m\d+(\.\d+)?s$/),
  });

  const beforeMs = Date.now();
  const { response: fromOpenai } = await anthropic().messages.create({ model: "openai/m", messages: [{ role: "user", content: "Hi" }], max_tokens: 9 }).withResponse();
  const { "anthropic-ratelimit-requests-reset": reset, ...counts } = headersLike(fromOpenai, "ratelimit");
  expect(counts).toEqual({ "anthropic-ratelimit-requests-limit": "60", "anthropic-ratelimit-requests-remaining": "59", "anthropic-ratelimit-tokens-remaining": "149984" });
  expect(Date.parse(reset!)).toBeGreaterThanOrEqual(beforeMs + 90_000);
  expect(Date.parse(reset!)).toBeLessThanOrEqual(Date.now() + 90_000);
});

test("a caller of the vendor's own dialect gets the vendor's headers as they are", async () => {
  const { response } = await anthropic().messages.create({ model: "anthropic/m", messages: [{ role: "user", content: "Hi" }], max_tokens: 9 }).withResponse();
  expect(headersLike(response, "ratelimit")).toEqual({
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": resetTime,
    "anthropic-ratelimit-input-tokens-remaining": "7000",
  });
});

function headersLike(response: Response, part: string): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.includes(part)));
}
