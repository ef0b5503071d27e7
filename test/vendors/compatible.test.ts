/** Owns the proof that vendors that are a row of a table get what they understand, and nothing that they would refuse. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { presets } from "../../services/providers/edge/openai/compatible/presets.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const vendors = [...presets.map(({ adapter }) => adapter.vendor), "azure"];
const reply = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } };

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, reply));
  const providers = vendors.map((vendor) => `  ${vendor}: { vendor: ${vendor}, api_key: "key of ${vendor}", base_url: "${upstream.baseUrl}", models: [m] }`.replaceAll("key of ", "key-"));
  weir = await startWeir({ wiring: "together", config: `providers:\n${providers.join("\n")}\n` });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

test.each(vendors)("%s gets OpenAI's bytes with the model alone changed, and its key", async (vendor) => {
  const client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
  const completion = await client.chat.completions.create({ model: `${vendor}/m`, messages: [{ role: "user", content: "Hi" }], seed: 7 });
  expect(completion.choices[0]!.message.content).toBe("flow");
  const { path, headers, body } = upstream.requests.at(-1)!;
  expect(path).toBe("/v1/chat/completions");
  expect(vendor === "azure" ? headers["api-key"] : headers.authorization).toBe(vendor === "azure" ? "key-azure" : `Bearer key-${vendor}`);
  expect(JSON.parse(body.toString())).toEqual({ model: "m", messages: [{ role: "user", content: "Hi" }], seed: 7 });
});

test.each(vendors)("%s gets what Anthropic's client asks in words that it has", async (vendor) => {
  const client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
  const request = { model: `${vendor}/m`, max_tokens: 9, system: "Be brief.", top_k: 5, messages: [{ role: "user" as const, content: "Hi" }] };
  const { data, response } = await client.messages.create(request).withResponse();
  expect(data.content).toMatchObject([{ type: "text", text: "flow" }]);
  const sent = JSON.parse(upstream.requests.at(-1)!.body.toString()) as Record<string, unknown>;
  const { max_tokens: maximum = sent["max_completion_tokens"], top_k: topK } = sent;
  expect(maximum).toBe(9);
  expect(sent["messages"]).toEqual([{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }]);
  expect(topK === 5 || response.headers.get("x-weir-warnings")?.startsWith("sampling.top_k: ")).toBe(true);
});

test("every row has a name and an address of its own", () => {
  expect(new Set(vendors).size).toBe(vendors.length);
  for (const { adapter } of presets) expect(adapter.defaultBaseUrl).toMatch(adapter.needsCredential ? /^https:\/\/[^ ]+[^/]$/ : /^http:\/\/127\.0\.0\.1:\d+\/v1$/);
});
