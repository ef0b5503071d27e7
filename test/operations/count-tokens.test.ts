/** Proves that tokens are counted by every vendor that counts, in every dialect that asks, and that counting costs nothing. */
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let vendor: ScriptedProvider;
let weir: Weir;
let anthropic: Anthropic;
let openai: OpenAI;
let google: GoogleGenAI;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(500, {}));
  weir = await startWeir({
    config: `
providers:
  claude: { vendor: anthropic, api_key: sk-a, base_url: "${vendor.baseUrl}", models: [m] }
  google: { vendor: gemini, api_key: sk-g, base_url: "${vendor.baseUrl}", models: [m] }
  aws: { vendor: bedrock, api_key: sk-b, base_url: "${vendor.baseUrl}", models: [m] }
  oai: { vendor: openai, api_key: sk-o, base_url: "${vendor.baseUrl}", models: [m], responses_api: true }
  mistral: { vendor: mistral, api_key: sk-m, base_url: "${vendor.baseUrl}", models: [m] }
routes:
  counted: { targets: [mistral/m, claude/m] }
`,
  });
  anthropic = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
  openai = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
  google = new GoogleGenAI({ apiKey: weir.inferenceKey, httpOptions: { baseUrl: weir.origin, retryOptions: { attempts: 1 } } });
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
});

/** What the vendor got for a call that it answers with this. */
async function sentFor(answer: object, call: () => Promise<unknown>): Promise<{ path: string; body: unknown; bytes: string; headers: Record<string, unknown> }> {
  vendor.answerWith(json(200, answer));
  const place = vendor.requests.length;
  await call();
  const { path, body, headers } = await vendor.request(place);
  return { path, bytes: body.toString(), body: JSON.parse(body.toString()), headers };
}

const messages: Anthropic.MessageParam[] = [{ role: "user", content: "hello" }];
const tools: Anthropic.Tool[] = [{ name: "get_flow", description: "The flow.", input_schema: { type: "object", properties: {} } }];

test("Anthropic's own bytes go on untouched but for the model, with its beta header", async () => {
  const asked = '{ "model":"claude/m",  "messages":[{"role":"user","content":"hi"}], "of_tomorrow": 1.0 }';
  const reply: unknown[] = [];
  const sent = await sentFor({ input_tokens: 14, more: true }, async () => {
    const response = await fetch(`${weir.origin}/v1/messages/count_tokens`, { method: "POST", headers: { "x-api-key": weir.inferenceKey, "anthropic-beta": "of-tomorrow" }, body: asked });
    reply.push(await response.json());
  });
  expect(sent).toMatchObject({ path: "/v1/messages/count_tokens", bytes: asked.replace("claude/m", "m"), headers: { "anthropic-beta": "of-tomorrow", "x-api-key": "sk-a" } });
  expect(reply).toEqual([{ input_tokens: 14, more: true }]);
});

test("Anthropic's SDK counts with Gemini, instructions and tools included", async () => {
  const counts: unknown[] = [];
  const sent = await sentFor({ totalTokens: 21 }, async () => counts.push(await anthropic.messages.countTokens({ model: "google/m", system: "Be brief.", messages, tools })));
  expect(counts).toEqual([{ input_tokens: 21 }]);
  expect(sent.path).toBe("/v1/models/m:countTokens");
  expect(sent.body).toMatchObject({
    generateContentRequest: { model: "models/m", systemInstruction: { parts: [{ text: "Be brief." }] }, contents: [{ role: "user", parts: [{ text: "hello" }] }], tools: [{ functionDeclarations: [{ name: "get_flow" }] }] },
  });
});

test("Google's SDK counts with Anthropic, which gets what it takes and no more", async () => {
  const counts: unknown[] = [];
  const sent = await sentFor({ input_tokens: 9 }, async () => counts.push((await google.models.countTokens({ model: "claude/m", contents: "hello" })).totalTokens));
  expect(counts).toEqual([9]);
  expect(sent).toMatchObject({ path: "/v1/messages/count_tokens", body: { model: "m", messages: [{ role: "user", content: [{ type: "text", text: "hello" }] }] } });
  expect(Object.keys(sent.body as object)).toEqual(["model", "messages"]);
});

test("Google's own bytes go on untouched, and where they name the model it is that of the path", async () => {
  const contents = await sentFor({ totalTokens: 2 }, () => google.models.countTokens({ model: "google/m", contents: "hello" }));
  expect(contents).toMatchObject({ path: "/v1/models/m:countTokens", body: { contents: [{ role: "user", parts: [{ text: "hello" }] }] } });
  const whole = await sentFor({ totalTokens: 2 }, () =>
    fetch(`${weir.origin}/v1beta/models/google/m:countTokens`, { method: "POST", headers: { "x-goog-api-key": weir.inferenceKey }, body: '{"generateContentRequest":{"model":"models/google/m","contents":[]}}' }),
  );
  expect(whole.body).toEqual({ generateContentRequest: { model: "models/m", contents: [] } });
});

test("OpenAI's SDK counts a Responses request with OpenAI in its own bytes, and with Bedrock", async () => {
  const own = await sentFor({ object: "response.input_tokens", input_tokens: 5 }, async () => expect(await openai.responses.inputTokens.count({ model: "oai/m", input: "hello" })).toMatchObject({ input_tokens: 5 }));
  expect(own).toMatchObject({ path: "/v1/responses/input_tokens", body: { model: "m", input: "hello" } });
  const aws = await sentFor({ inputTokens: 6 }, async () => expect(await openai.responses.inputTokens.count({ model: "aws/m", input: "hello", instructions: "Be brief." })).toMatchObject({ object: "response.input_tokens", input_tokens: 6 }));
  expect(aws).toMatchObject({ path: "/v1/model/m/count-tokens", body: { input: { converse: { system: [{ text: "Be brief." }], messages: [{ role: "user", content: [{ text: "hello" }] }] } } } });
});

test("Anthropic's SDK and Google's count with OpenAI, as a Responses request", async () => {
  const counts: unknown[] = [];
  const conversation: Anthropic.MessageParam[] = [
    { role: "user", content: [{ type: "text", text: "What is this?" }, { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } }] },
    { role: "assistant", content: [{ type: "text", text: "Let me see." }, { type: "tool_use", id: "toolu_1", name: "get_flow", input: { river: "Rhine" } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "120 m³/s" }] },
  ];
  const sent = await sentFor({ object: "response.input_tokens", input_tokens: 33 }, async () => counts.push(await anthropic.messages.countTokens({ model: "oai/m", system: "Be brief.", messages: conversation, tools, tool_choice: { type: "tool", name: "get_flow" } })));
  expect(counts).toEqual([{ input_tokens: 33 }]);
  expect(sent).toMatchObject({ path: "/v1/responses/input_tokens", headers: { authorization: "Bearer sk-o" } });
  expect(sent.body).toEqual({
    model: "m",
    input: [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "input_text", text: "What is this?" }, { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "auto" }] },
      { role: "assistant", content: "Let me see." },
      { type: "function_call", call_id: "toolu_1", name: "get_flow", arguments: '{"river":"Rhine"}' },
      { type: "function_call_output", call_id: "toolu_1", output: "120 m³/s" },
    ],
    tools: [{ type: "function", name: "get_flow", description: "The flow.", parameters: { type: "object", properties: {} }, strict: null }],
    tool_choice: { type: "function", name: "get_flow" },
  });
  const plain = await sentFor({ object: "response.input_tokens", input_tokens: 4 }, async () => expect((await google.models.countTokens({ model: "oai/m", contents: "hello" })).totalTokens).toBe(4));
  expect(plain.body).toEqual({ model: "m", input: [{ role: "user", content: "hello" }] });
});

test("a schema, a custom tool and a document are counted with OpenAI as Responses has them, and what it has no place for is told", async () => {
  const client = weir.client(InferenceService, weir.inferenceKey);
  const media = (mediaType: string) => ({ source: { case: "data" as const, value: new Uint8Array([1]) }, mediaType });
  const generation = {
    model: "oai/m",
    outputFormat: { kind: { case: "jsonSchema" as const, value: { name: "flow", jsonSchema: '{"type":"object"}' } } },
    tools: [{ kind: { case: "custom" as const, value: { name: "shell", formatJson: Buffer.from('{"type":"grammar","grammar":{"syntax":"lark","definition":"start: WORD"}}') } } }],
    messages: [{ role: Role.USER, parts: [{ kind: { case: "file" as const, value: { media: media("application/pdf"), filename: "a.pdf" } } }, { kind: { case: "audio" as const, value: { media: media("audio/wav") } } }] }],
  };
  const warned: unknown[] = [];
  const sent = await sentFor({ object: "response.input_tokens", input_tokens: 7 }, async () => warned.push(...(await client.countTokens({ generation } as Parameters<typeof client.countTokens>[0])).warnings.map(({ field }) => field)));
  expect(sent.body).toEqual({
    model: "m",
    input: [{ role: "user", content: [{ type: "input_file", file_data: "data:application/pdf;base64,AQ==", filename: "a.pdf" }] }],
    tools: [{ type: "custom", name: "shell", format: { type: "grammar", syntax: "lark", definition: "start: WORD" } }],
    text: { format: { type: "json_schema", name: "flow", schema: { type: "object" } } },
  });
  expect(warned).toEqual(["messages.parts"]);
});

test("the RPC counts too, and options that bear on the reply alone are no matter of warnings", async () => {
  const client = weir.client(InferenceService, weir.inferenceKey);
  const generation = { model: "claude/m", strict: true, sampling: { seed: 7n }, messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "hello" } } }] }] };
  vendor.answerWith(json(200, { input_tokens: 3 }));
  expect(await client.countTokens({ generation })).toMatchObject({ model: "m", inputTokens: 3n, warnings: [], target: "claude/m", requestId: expect.stringMatching(/^req_/) as string });
  await expect(client.countTokens({ generation: { model: "claude/m" } })).rejects.toThrow("send at least one message");
  const native = { dialect: "anthropic", body: Buffer.from(JSON.stringify({ model: "any", messages })) };
  vendor.answerWith(json(200, { totalTokens: 4 }));
  const answered = await client.countTokens({ generation: { model: "google/m", native } });
  expect(JSON.parse(Buffer.from(answered.native!.body).toString())).toEqual({ input_tokens: 4 });
});

test("targets that cannot count are passed over; where none can, the error names who could", async () => {
  vendor.answerWith(json(200, { input_tokens: 8 }));
  const { data, response } = await anthropic.messages.countTokens({ model: "counted", messages }).withResponse();
  expect([data.input_tokens, response.headers.get("x-weir-target")]).toEqual([8, "claude/m"]);
  const failure = await anthropic.messages.countTokens({ model: "mistral/m", messages }).catch((thrown: unknown) => thrown);
  expect(failure).toBeInstanceOf(Anthropic.BadRequestError);
  expect((failure as Error).message).toContain("mistral does not offer it. Name a model of aws or claude or google or oai.");
});

test("an attempt stands in the ledger under its own operation, with nothing consumed and nothing unpriced", async () => {
  vendor.answerWith(json(200, { input_tokens: 1000 }));
  const { response } = await anthropic.messages.countTokens({ model: "claude/m", messages }).withResponse();
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  expect(attempt).toMatchObject({ costNanos: 0n, event: { intent: { operation: "count_tokens" }, rank: UsageSource.PROVIDER, outcome: { usage: { quantities: [] } } } });
  vendor.answerWith(json(200, { no: "count" }));
  const failure = (await anthropic.messages.countTokens({ model: "google/m", messages }).catch((thrown: unknown) => thrown)) as InstanceType<typeof Anthropic.APIError>;
  const [failed] = await weir.attempts(1, { requestId: failure.requestID! });
  expect(failed).toMatchObject({ costNanos: 0n, event: { outcome: { errorReason: "UPSTREAM_PROTOCOL", usage: { quantities: [] } } } });
});
