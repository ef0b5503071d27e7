import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } };
const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "flow" }], stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 3, output_tokens: 1 } };

let openai: ScriptedProvider;
let anthropic: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  openai = await startScriptedProvider(json(200, completion));
  anthropic = await startScriptedProvider(json(200, message));
  weir = await startWeir({
    config: `
providers:
  local: { vendor: openai, base_url: "${openai.baseUrl}", models: [small, new] }
  big: { vendor: anthropic, api_key: k, base_url: "${anthropic.baseUrl}", models: [claude-haiku-4-5] }
models:
  openai/small: { context_window_tokens: 100, input_modalities: [text], tools: false }
routes:
  cheap-first: { targets: [local/small, big/claude-haiku-4-5] }
  small-alone: { targets: [local/small, local/small] }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([openai?.stop(), anthropic?.stop()]);
});

function ask(model: string, content: unknown, more: object = {}): Promise<Response> {
  const body = { model, max_completion_tokens: 9, messages: [{ role: "user", content }], ...more };
  return fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: JSON.stringify(body) });
}

const picture = [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }];
const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];

test.each([
  ["a question", "Hi", {}, "local/small"],
  ["a picture", picture, {}, "big/claude-haiku-4-5"],
  ["tools", "Hi", { tools }, "big/claude-haiku-4-5"],
  ["a long text", "word ".repeat(1_000), {}, "big/claude-haiku-4-5"],
  // Whatever reads the caller's own bytes may know it.
  ["what Weir cannot read", [{ type: "of_tomorrow" }], {}, "local/small"],
])("%s goes to the first target that is not known to lack it", async (_, content, more, target) => {
  const response = await ask("cheap-first", content, more);
  expect([response.status, response.headers.get("x-weir-target")]).toEqual([200, target]);
});

test("a text that is longer than it was taken to be goes on to the next target when its vendor says so, and fails in the vendor's words when there is none", async () => {
  const refusal = { error: { message: "This model's maximum context length is 100 tokens. However, your messages resulted in 310 tokens.", type: "invalid_request_error", param: "messages", code: "context_length_exceeded" } };
  openai.answerWith(json(400, refusal));
  try {
    const text = "阿勒河的水".repeat(60);
    const response = await ask("cheap-first", text);
    expect([response.status, response.headers.get("x-weir-target")]).toEqual([200, "big/claude-haiku-4-5"]);
    const alone = await ask("local/small", text);
    expect([alone.status, alone.headers.get("x-weir-reason")]).toEqual([400, "UPSTREAM_REJECTED"]);
    expect(await alone.json()).toMatchObject({ error: { code: "context_length_exceeded", message: expect.stringContaining("maximum context length is 100 tokens") } });
  } finally {
    openai.answerWith(json(200, completion));
  }
});

test("when no target is left, the caller learns why", async () => {
  const before = openai.requests.length;
  const response = await ask("small-alone", picture);
  expect([response.status, response.headers.get("x-weir-reason")]).toEqual([400, "UNSUPPORTED_FIELD"]);
  expect(await response.text()).toContain("local/small: It was passed over: it reads no images (weir.yaml).");
  expect(openai.requests).toHaveLength(before);
});

test("a target that the caller named is asked, whatever is known of it", async () => {
  expect((await ask("local/small", picture)).status).toBe(200);
});

test("the list of models says what is known, and of a route with several targets nothing", async () => {
  const { models } = await weir.client(InferenceService).listModels({});
  const factsOf = (name: string): unknown => models.find((model) => model.name === name)?.facts;
  expect(factsOf("local/small")).toMatchObject({ contextWindowTokens: 100n, inputModalities: [Modality.TEXT], tools: false, source: "weir.yaml" });
  expect(factsOf("big/claude-haiku-4-5")).toMatchObject({ operation: "generate", contextWindowTokens: 200_000n, maxOutputTokens: 64_000n, tools: true, readDate: "2026-11" });
  expect(factsOf("local/new")).toBeUndefined();
  expect(factsOf("cheap-first")).toBeUndefined();
});

test("Gemini's and Anthropic's clients find the limits where they look for them", async () => {
  const get = async (path: string, headers: Record<string, string>): Promise<unknown> => (await fetch(`${weir.origin}${path}`, { headers })).json();
  const key = weir.inferenceKey;
  expect(await get("/v1beta/models/big%2Fclaude-haiku-4-5", { "x-goog-api-key": key })).toMatchObject({ inputTokenLimit: 200_000, outputTokenLimit: 64_000, thinking: true, supportedGenerationMethods: ["generateContent", "streamGenerateContent", "countTokens"] });
  expect(await get("/v1beta/models/local%2Fnew", { "x-goog-api-key": key })).toEqual({ name: "models/local/new", displayName: "local/new", supportedGenerationMethods: expect.arrayContaining(["generateContent", "embedContent"]) });
  expect(await get("/v1/models/big%2Fclaude-haiku-4-5", { "x-api-key": key, "anthropic-version": "2023-06-01" })).toMatchObject({ max_input_tokens: 200_000, max_tokens: 64_000 });
  expect(await get("/v1/models/local%2Fnew", { "x-api-key": key, "anthropic-version": "2023-06-01" })).toMatchObject({ max_input_tokens: null, max_tokens: null });
});
