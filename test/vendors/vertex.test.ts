/** Owns the proof that Gemini and Claude on Vertex AI are asked with tokens that Weir obtains, and that their bytes go through untouched. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const accessToken = "ya29.canary-of-a-token";
const place = "/v1/projects/river/locations/europe-west4";

let directory: string;
/** Stands for Google's token service. */
let tokens: ScriptedProvider;
let vertex: ScriptedProvider;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-vertex-"));
  await writeFile(join(directory, "subject"), "canary-of-a-subject-token");
  tokens = await startScriptedProvider((request, response) =>
    new URLSearchParams(request.body.toString()).get("audience") === "refused"
      ? json(400, { error: "invalid_grant", error_description: "the subject canary-of-a-subject-token is unknown" })(request, response)
      : json(200, { access_token: accessToken, expires_in: 3600, token_type: "Bearer", issued_token_type: "urn:ietf:params:oauth:token-type:access_token" })(request, response),
  );
  vertex = await startScriptedProvider(() => undefined);
  const identity = (audience: string): string => {
    const credentials = { type: "external_account", audience, subject_token_type: "urn:ietf:params:oauth:token-type:jwt", token_url: tokens.baseUrl, credential_source: { file: join(directory, "subject") } };
    return `google: { credentials: '${JSON.stringify(credentials)}' }, project: river, location: europe-west4, base_url: "${vertex.baseUrl}"`;
  };
  weir = await startWeir({
    config: `
providers:
  google: { vendor: vertex, ${identity("trusted")} }
  claude: { vendor: vertex_anthropic, ${identity("trusted")} }
  broken: { vendor: vertex, ${identity("refused")} }
routes: { safe: { targets: [broken/gemini-3.8-flash, google/gemini-3.8-flash] } }
`,
  });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await vertex?.stop();
  await tokens?.stop();
  await rm(directory, { recursive: true });
});

const bytes = (type: string, reply: string): Answer => (_, response) => void response.writeHead(200, { "content-type": type }).end(reply);

/** Sends these bytes and returns the reply's bytes with what the vendor got. */
async function send(path: string, body: string, answer: Answer): Promise<{ readonly reply: string; readonly requestId: string; readonly upstream: UpstreamRequest }> {
  vertex.answerWith(answer);
  const index = vertex.requests.length;
  const response = await fetch(weir.origin + path, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "anthropic-version": "2023-06-01" }, body });
  const reply = await response.text();
  return { reply, requestId: response.headers.get("x-request-id")!, upstream: await vertex.request(index) };
}

const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 4, totalTokenCount: 13, trafficType: "ON_DEMAND" };
const geminiReply = { candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP" }], usageMetadata, modelVersion: "gemini-3.8-flash", responseId: "r1" };

test("a token is obtained once for each provider, however many calls wait for the first", async () => {
  vertex.answerWith(json(200, geminiReply));
  const asked = Array.from({ length: 20 }, () => client.chat.completions.create({ model: "google/gemini-3.8-flash", messages: [{ role: "user", content: "Hi" }] }));
  for (const { choices } of await Promise.all(asked)) expect(choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Hello" } });
  await expect.poll(() => tokens.requests.length).toBe(3);
  expect(new Set(vertex.requests.map(({ headers }) => headers.authorization))).toEqual(new Set([`Bearer ${accessToken}`]));
  expect(vertex.requests[0]).toMatchObject({ path: `${place}/publishers/google/models/gemini-3.8-flash:generateContent` });
});

test("Gemini's bytes go to Gemini on Vertex AI as they came, whole and streamed, and come back untouched", async () => {
  const request = '{ "contents":[{"role":"user","parts":[{"text":"Grüße 🌊"}]}],\n "field_of_tomorrow": 1.50e0 }';
  const reply = `${JSON.stringify(geminiReply)}  \n`;
  const whole = await send("/v1beta/models/google%2Fgemini-3.8-flash:generateContent", request, bytes("application/json", reply));
  expect([whole.upstream.body.toString(), whole.reply]).toEqual([request, reply]);
  const stream = `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Hel"}]}}],"new":[1,  2]}\r\n\r\ndata: ${JSON.stringify(geminiReply)}\r\n\r\n`;
  const streamed = await send("/v1beta/models/google%2Fgemini-3.8-flash:streamGenerateContent?alt=sse", request, bytes("text/event-stream", stream));
  expect([streamed.upstream.body.toString(), streamed.reply]).toEqual([request, stream]);
  expect(streamed.upstream.path).toBe(`${place}/publishers/google/models/gemini-3.8-flash:streamGenerateContent?alt=sse`);
  const [attempt] = await weir.attempts(1, { requestId: streamed.requestId });
  expect(attempt!.event!.outcome).toMatchObject({ servedModel: "gemini-3.8-flash", serviceTier: "standard", finishReason: "STOP" });
  expect(attempt!.event!.outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 9n], [Meter.OUTPUT_TOKENS, 4n]]);
});

const usage = { input_tokens: 3, output_tokens: 5 };

test("Anthropic's bytes go to Claude on Vertex AI with the version in place of the model, and come back untouched", async () => {
  const request = (model: string): string => `{ ${model}"max_tokens":5,\n "messages":[{"role":"user","content":"Grüße"}], "field_of_tomorrow": {"model": 1.50e0} `;
  const version = ',"anthropic_version":"vertex-2023-10-16"}';
  const reply = `{"id":"msg_vrtx_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929", "content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","stop_sequence":null,"usage":${JSON.stringify(usage)}}\n`;
  const whole = await send("/v1/messages", `${request('"model" : "claude/claude-sonnet-4-5@20250929", ')}}`, bytes("application/json", reply));
  expect([whole.upstream.body.toString(), whole.reply]).toEqual([`${request("")}${version}`, reply]);
  expect(whole.upstream).toMatchObject({ path: `${place}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict`, headers: { authorization: `Bearer ${accessToken}` } });
  expect(whole.upstream.headers).not.toHaveProperty("x-api-key");

  const events = [
    { type: "message_start", message: { id: "msg_vrtx_2", type: "message", role: "assistant", model: "claude-sonnet-4-5-20250929", content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "ok" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 5 } },
    { type: "message_stop" },
  ];
  const stream = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
  const streamed = await send("/v1/messages", `${request('"model":"claude/claude-sonnet-4-5@20250929",')},"stream":true}`, bytes("text/event-stream", stream));
  expect([streamed.upstream.body.toString(), streamed.reply]).toEqual([`${request("")},"stream":true${version}`, stream]);
  expect(streamed.upstream.path).toBe(`${place}/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict`);
});

test("OpenAI's client is translated for Claude on Vertex AI", async () => {
  vertex.answerWith(json(200, { id: "msg", type: "message", role: "assistant", model: "claude", content: [{ type: "text", text: "ok" }], stop_reason: "end_turn", stop_sequence: null, usage }));
  const index = vertex.requests.length;
  const completion = await client.chat.completions.create({ model: "claude/claude-sonnet-4-5@20250929", max_tokens: 5, messages: [{ role: "user", content: "Hi" }] });
  expect(completion.choices[0]?.message.content).toBe("ok");
  expect(JSON.parse((await vertex.request(index)).body.toString())).toEqual({ max_tokens: 5, messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }], anthropic_version: "vertex-2023-10-16" });
});

test("OpenAI's and Google's embeddings come from predict, with the tokens that it counted", async () => {
  vertex.answerWith(json(200, { predictions: [{ embeddings: { values: [0.25, -0.5], statistics: { token_count: 2, truncated: false } } }, { embeddings: { values: [1, 0], statistics: { token_count: 3, truncated: false } } }] }));
  const index = vertex.requests.length;
  const { data, usage } = await client.embeddings.create({ model: "google/text-embedding-005", input: ["a", "b"], dimensions: 2, encoding_format: "float" });
  expect(data.map(({ embedding }) => embedding)).toEqual([[0.25, -0.5], [1, 0]]);
  expect(usage.prompt_tokens).toBe(5);
  const request = await vertex.request(index);
  expect(request.path).toBe(`${place}/publishers/google/models/text-embedding-005:predict`);
  expect(JSON.parse(request.body.toString())).toEqual({ instances: [{ content: "a" }, { content: "b" }], parameters: { autoTruncate: false, outputDimensionality: 2 } });
  const { reply } = await send("/v1beta/models/google%2Ftext-embedding-005:embedContent", '{"content":{"parts":[{"text":"a"}]}}', json(200, { predictions: [{ embeddings: { values: [0.5] } }] }));
  expect(JSON.parse(reply)).toMatchObject({ embedding: { values: [0.5] } });
});

test("Gemini speaks on Vertex AI, too", async () => {
  const inlineData = { mimeType: "audio/l16; rate=24000", data: "AQACAA==" };
  vertex.answerWith(json(200, { candidates: [{ content: { role: "model", parts: [{ inlineData }] }, finishReason: "STOP" }] }));
  const index = vertex.requests.length;
  const response = await client.audio.speech.create({ model: "google/gemini-3.8-flash-tts", voice: "Kore", input: "Hi", response_format: "wav" });
  expect(Buffer.from(await response.arrayBuffer()).subarray(44)).toEqual(Buffer.from([1, 0, 2, 0]));
  expect((await vertex.request(index)).path).toBe(`${place}/publishers/google/models/gemini-3.8-flash-tts:generateContent`);
});

test("a refused identity is a typed error, and a route falls back to its next target", async () => {
  const failed = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: '{"model":"broken/gemini-3.8-flash","messages":[{"role":"user","content":"Hi"}]}' });
  expect(failed.status).toBe(503);
  const text = await failed.text();
  expect(text).toContain("The provider broken has no credential");
  expect(text).not.toContain("canary");
  vertex.answerWith(json(200, geminiReply));
  const { choices } = await client.chat.completions.create({ model: "safe", messages: [{ role: "user", content: "Hi" }] });
  expect(choices[0]?.message.content).toBe("Hello");
});

test("no token stands in the log", async () => {
  const lines = (): string => JSON.stringify(weir.log());
  await expect.poll(lines).toContain("a provider's credential could not be obtained");
  expect(lines()).not.toContain("ya29.canary");
});
