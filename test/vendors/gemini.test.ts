import Anthropic from "@anthropic-ai/sdk";
import { LLMock } from "@copilotkit/aimock";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { said } from "../harness/upstreams.ts";

let mock: LLMock;
let upstream: ScriptedProvider;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  const usage = { promptTokenCount: said.inputTokens, candidatesTokenCount: said.outputTokens };
  mock = new LLMock({ port: 0 });
  mock.on({ userMessage: said.toolQuestion, hasToolResult: true }, { content: said.toolAnswer, usage });
  mock.on({ userMessage: said.toolQuestion }, { toolCalls: [{ name: said.toolName, arguments: JSON.stringify(said.toolArguments) }], finishReason: "stop", usage });
  mock.on({ userMessage: said.question }, { content: said.answer, usage }, { chunkSize: 7 });
  await mock.start();
  upstream = await startScriptedProvider(() => undefined);
  weir = await startWeir({
    config: `
providers:
  mock: { vendor: gemini, api_key: AIza-mock, base_url: "${mock.url}/v1beta", models: [gemini-3.8-flash] }
  scripted: { vendor: gemini, api_key: AIza-scripted, base_url: "${upstream.baseUrl}", models: [gemini-3.8-flash] }
`,
  });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
  await mock?.stop();
});

const tools: OpenAI.ChatCompletionTool[] = [
  { type: "function", function: { name: said.toolName, parameters: { type: "object", properties: { river: { type: "string" }, unit: { type: "string" } } } } },
];
const toolQuestion: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: said.toolQuestion }];
const usage = { prompt_tokens: said.inputTokens, completion_tokens: said.outputTokens, total_tokens: said.inputTokens + said.outputTokens };
const model = "mock/gemini-3.8-flash";

describe("the openai SDK, in front of Gemini", () => {
  test("gets a whole reply", async () => {
    const completion = await client.chat.completions.create({ model, messages: [{ role: "user", content: said.question }] });
    expect(completion).toMatchObject({ choices: [{ finish_reason: "stop", message: { content: said.answer } }], usage });
  });

  test("gets the same in a stream, with one finish", async () => {
    const stream = await client.chat.completions.create({ model, messages: [{ role: "user", content: said.question }], stream: true, stream_options: { include_usage: true } });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(said.answer);
    expect(chunks.flatMap(({ choices }) => choices.flatMap(({ finish_reason: reason }) => reason ?? []))).toEqual(["stop"]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
  });

  test.each([false, true])("gets a tool call, and the answer after its result (streamed: %s)", async (stream) => {
    const first = stream ? await client.chat.completions.stream({ model, messages: toolQuestion, tools }).finalChatCompletion() : await client.chat.completions.create({ model, messages: toolQuestion, tools });
    const [choice] = first.choices;
    const [call] = choice!.message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect(choice!.finish_reason).toBe("tool_calls");
    expect(JSON.parse(call!.function.arguments)).toEqual(said.toolArguments);
    const messages = [...toolQuestion, choice!.message, { role: "tool" as const, tool_call_id: call!.id, content: "120 m³/s" }];
    const second = await client.chat.completions.create({ model, messages, tools });
    expect(second.choices[0]!.message.content).toBe(said.toolAnswer);
  });

  test("sends the key in its header, and a call's thought signature back in its own part", async () => {
    const signed = { functionCall: { id: "fc_1", name: said.toolName, args: said.toolArguments }, thoughtSignature: "c2lnbmVk" };
    const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 4, thoughtsTokenCount: 3, totalTokenCount: 16 };
    const reply = { candidates: [{ content: { role: "model", parts: [signed] }, finishReason: "STOP", index: 0 }], usageMetadata, modelVersion: "gemini-3.8-flash", responseId: "r1" };
    upstream.answerWith(json(200, reply, { "x-gemini-service-tier": "priority" }));
    const place = upstream.requests.length;
    const { data, response } = await client.chat.completions.create({ model: "scripted/gemini-3.8-flash", messages: toolQuestion, tools, temperature: 0 }).withResponse();
    expect(response.headers.get("x-weir-warnings")).toContain("sampling.temperature");
    const request = await upstream.request(place);
    expect(request).toMatchObject({ path: "/v1/models/gemini-3.8-flash:generateContent", headers: { "x-goog-api-key": "AIza-scripted" } });
    expect(JSON.stringify(request.headers)).not.toContain(weir.inferenceKey);
    const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
    expect(attempt!.event!.outcome).toMatchObject({ servedModel: "gemini-3.8-flash", serviceTier: "priority", finishReason: "STOP" });
    expect(attempt!.event!.outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([
      [Meter.INPUT_TOKENS, 9n],
      [Meter.OUTPUT_TOKENS, 4n],
      [Meter.REASONING_OUTPUT_TOKENS, 3n],
    ]);

    const text = (words: string, finish: object = {}) => `data: ${JSON.stringify({ candidates: [{ content: { role: "model", parts: [{ text: words }] }, index: 0, ...finish }], usageMetadata, responseId: "r2" })}\r\n\r\n`;
    upstream.answerWith(eventStream([text("Grüße "), text("🌊", { finishReason: "STOP" })]));
    const messages = [...toolQuestion, data.choices[0]!.message, { role: "tool" as const, tool_call_id: "fc_1", content: "120 m³/s" }];
    const completion = await client.chat.completions.stream({ model: "scripted/gemini-3.8-flash", messages, tools }).finalChatCompletion();
    expect(completion.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Grüße 🌊" } });
    const second = await upstream.request(place + 1);
    expect(second.path).toBe("/v1/models/gemini-3.8-flash:streamGenerateContent?alt=sse");
    expect(JSON.parse(second.body.toString())).toMatchObject({
      contents: [{ role: "user" }, { role: "model", parts: [signed] }, { role: "user", parts: [{ functionResponse: { id: "fc_1", name: said.toolName, response: { output: "120 m³/s" } } }] }],
    });
  });

  test.each([false, true])("and Anthropic's SDK too sends the signature back, in a block of thinking (streamed: %s)", async (stream) => {
    const anthropic = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
    const signed = { functionCall: { id: "fc_1", name: said.toolName, args: said.toolArguments }, thoughtSignature: "c2lnbmVk" };
    const thought = { text: "Let me see…", thought: true };
    const reply = (parts: readonly object[]) => ({ candidates: [{ content: { role: "model", parts }, finishReason: "STOP", index: 0 }], responseId: "r" });
    const answer = (...parts: readonly object[]) => (stream ? eventStream([`data: ${JSON.stringify(reply(parts))}\n\n`]) : json(200, reply(parts)));
    const place = upstream.requests.length;
    const ask = (messages: Anthropic.MessageParam[]) => {
      const asked = { model: "scripted/gemini-3.8-flash", max_tokens: 100, messages, tools: [{ name: said.toolName, input_schema: { type: "object" as const } }] };
      return stream ? anthropic.messages.stream(asked).finalMessage() : anthropic.messages.create(asked);
    };
    upstream.answerWith(answer(thought, signed));
    const first = await ask([{ role: "user", content: said.toolQuestion }]);
    expect(first).toMatchObject({ stop_reason: "tool_use", content: [{ type: "thinking", thinking: "Let me see…" }, { type: "thinking" }, { type: "tool_use", id: "fc_1", input: said.toolArguments }] });
    upstream.answerWith(answer({ text: "120 m³/s" }));
    const second = await ask([
      { role: "user", content: said.toolQuestion },
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "fc_1", content: "120 m³/s" }] },
    ]);
    expect(second).toMatchObject({ stop_reason: "end_turn", content: [{ type: "text", text: "120 m³/s" }] });
    const sent = JSON.parse((await upstream.request(place + 1)).body.toString()) as { contents: { parts: unknown[] }[] };
    expect(sent.contents[1]!.parts).toEqual([thought, signed]);
  });

  test("is told by its own error class what Gemini refused, and when to come back", async () => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "7s" }];
    upstream.answerWith(json(429, { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "quota of project 1", details } }));
    const asked = client.chat.completions.create({ model: "scripted/gemini-3.8-flash", messages: toolQuestion });
    const error = await asked.then(() => undefined, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect((error as InstanceType<typeof OpenAI.APIError>).headers?.get("retry-after")).toBe("7");
    expect((error as Error).message).not.toContain("project 1");
  });

  test("is told that a stream without a finish reason was cut", async () => {
    upstream.answerWith(eventStream(['data: {"candidates":[{"content":{"parts":[{"text":"half"}]},"index":0}]}\n\n']));
    const asked = client.chat.completions.stream({ model: "scripted/gemini-3.8-flash", messages: toolQuestion }).finalChatCompletion();
    await expect(asked).rejects.toThrow();
  });

  const samples = Buffer.from([1, 0, 2, 0, 255, 127]);
  const spoken = (finishReason: string, parts: readonly object[]) =>
    json(200, { candidates: [{ content: { role: "model", parts }, finishReason, index: 0 }], usageMetadata: { promptTokenCount: 6, candidatesTokenCount: 40, totalTokenCount: 46, candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: 40 }] } });
  const speaking = spoken("STOP", [{ inlineData: { mimeType: "audio/L16;codec=pcm;rate=24000", data: samples.toString("base64") } }]);
  const speak = (members: object = {}) => client.audio.speech.create({ model: "scripted/gemini-3.8-flash-tts", voice: "Kore", input: "Grüße", ...members });

  test("hears Gemini speak, as WAV, with what is not as asked, and the ledger has the tokens of sound", async () => {
    upstream.answerWith(speaking);
    const place = upstream.requests.length;
    const response = await speak({ instructions: "Say cheerfully.", speed: 1.5 });
    expect(response.headers.get("content-type")).toBe("audio/wav");
    for (const field of ["format", "speed", "instructions"]) expect(response.headers.get("x-weir-warnings")).toContain(`${field}: `);
    const wav = Buffer.from(await response.arrayBuffer());
    expect([wav.toString("latin1", 0, 4), wav.readUInt32LE(4), wav.readUInt32LE(24), wav.readUInt32LE(28), wav.readUInt32LE(40)]).toEqual(["RIFF", 36 + samples.length, 24_000, 48_000, samples.length]);
    expect(wav.subarray(44)).toEqual(samples);
    const { path, body } = await upstream.request(place);
    expect(path).toBe("/v1/models/gemini-3.8-flash-tts:generateContent");
    expect(JSON.parse(body.toString())).toMatchObject({
      contents: [{ role: "user", parts: [{ text: "Say cheerfully: Grüße" }] }],
      generationConfig: { responseModalities: ["AUDIO"], speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Kore" } } } },
    });
    const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
    expect(attempt!.event!.intent!.operation).toBe("synthesize_speech");
    expect(attempt!.event!.outcome!.usage!.quantities.filter(({ quantity }) => quantity > 0n).map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 6n], [Meter.AUDIO_OUTPUT_TOKENS, 40n]]);
    expect(attempt!.costNanos).toBe(6n * 500n + 40n * 9_000n);
  });

  test("gets raw samples where it asks for them, without a warning", async () => {
    upstream.answerWith(speaking);
    const response = await speak({ response_format: "pcm" });
    expect(response.headers.get("content-type")).toBe("audio/L16;codec=pcm;rate=24000");
    expect(response.headers.get("x-weir-warnings")).toBeNull();
    expect(Buffer.from(await response.arrayBuffer())).toEqual(samples);
  });

  test("is refused what Gemini cannot speak in, before it is asked", async () => {
    const place = upstream.requests.length;
    for (const members of [{ response_format: "mp3" }, { stream_format: "sse" }, { of_tomorrow: 1 }]) await expect(speak(members)).rejects.toMatchObject({ status: 400, code: "unsupported_parameter" });
    await expect(client.audio.speech.create({ model: "scripted/gemini-3.8-flash-tts", voice: "Kore", input: "Hi" }, { headers: { "x-weir-strict": "true" } })).rejects.toMatchObject({ status: 400, param: "format" });
    expect(upstream.requests).toHaveLength(place);
  });

  test.each([
    { case: "says why", finishReason: "SAFETY", status: 400 },
    { case: "says nothing", finishReason: "STOP", status: 502 },
  ])("is told when there is no sound and Gemini $case", async ({ finishReason, status }) => {
    upstream.answerWith(spoken(finishReason, []));
    await expect(speak()).rejects.toMatchObject({ status });
  });

  test("gets embeddings", async () => {
    upstream.answerWith(json(200, { embeddings: [{ values: [0.25, -0.5] }, { values: [1, 0] }], usageMetadata: { promptTokenCount: 5 } }));
    const place = upstream.requests.length;
    const { data, usage: used } = await client.embeddings.create({ model: "scripted/gemini-embedding-2", input: ["a", "b"], dimensions: 2 });
    expect(data.map(({ embedding }) => [...embedding])).toEqual([[0.25, -0.5], [1, 0]]);
    expect(used.prompt_tokens).toBe(5);
    expect((await upstream.request(place)).path).toBe("/v1/models/gemini-embedding-2:batchEmbedContents");
  });
});
