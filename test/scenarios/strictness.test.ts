import { afterAll, beforeAll, expect, test } from "vitest";
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
  openai: { vendor: openai, api_key: k, base_url: "${openai.baseUrl}", models: [m] }
  anthropic: { vendor: anthropic, api_key: k, base_url: "${anthropic.baseUrl}", models: [m] }
routes:
  loose: { targets: [anthropic/m, openai/m] }
  exact: { targets: [anthropic/m, openai/m], strict: true }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([openai?.stop(), anthropic?.stop()]);
});

function ask(model: string, more: object, headers: Record<string, string> = {}): Promise<Response> {
  const body = { model, max_completion_tokens: 9, messages: [{ role: "user", content: "Hi" }], ...more };
  return fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, ...headers }, body: JSON.stringify(body) });
}

// Anthropic has no seed, and nobody knows the second.
test.each([["a field that the target has not", { seed: 7 }, "sampling.seed"], ["a field that nobody knows", { of_tomorrow: 1 }, "of_tomorrow"]])("%s: a warning, an error when the caller is strict, another target when the route is", async (_, more, field) => {
  const loose = await ask("loose", more);
  expect([loose.status, loose.headers.get("x-weir-target"), loose.headers.get("x-weir-warnings")]).toEqual([200, "anthropic/m", expect.stringContaining(`${field}: `)]);

  const strict = await ask("anthropic/m", more, { "x-weir-strict": "true" });
  expect([strict.status, strict.headers.get("x-weir-reason")]).toEqual([400, "UNSUPPORTED_FIELD"]);
  expect(await strict.text()).toContain(field);

  const exact = await ask("exact", more);
  expect([exact.status, exact.headers.get("x-weir-target"), exact.headers.get("x-weir-warnings")]).toEqual([200, "openai/m", null]);
  expect(JSON.parse(openai.requests.at(-1)!.body.toString())).toMatchObject(more);
});

test("a word that is neither true nor false is refused", async () => {
  const response = await ask("loose", {}, { "x-weir-strict": "yes" });
  expect([response.status, response.headers.get("x-weir-reason")]).toEqual([400, "INVALID_REQUEST"]);
});
