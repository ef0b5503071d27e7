import { create, type MessageInitShape } from "@bufbuild/protobuf";
import OpenAI from "openai";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { createStreamWriter, type StreamOptions } from "./stream-writer.ts";

type Event = NonNullable<Exclude<MessageInitShape<typeof StreamGenerateResponseSchema>, StreamGenerateResponse>["event"]>;

const start: Event = { case: "start", value: { id: "msg_1", model: "model-x", createTime: { seconds: 1_700_000_000n } } };
const end: Event = { case: "end", value: { usage: { quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 10n }] }, serviceTier: "default" } };

const begin = (partIndex: number, kind: object, candidateIndex = 0): Event => ({ case: "partStart", value: { candidateIndex, partIndex, part: { kind: kind as never } } });
const grow = (partIndex: number, delta: object, candidateIndex = 0, logprobs: object[] = []): Event => ({ case: "partDelta", value: { candidateIndex, partIndex, delta: delta as never, logprobs } });
const finish = (finishReason: FinishReason, candidateIndex = 0): Event => ({ case: "candidateEnd", value: { candidateIndex, finishReason, nativeFinishReason: "x" } });
const text = { case: "text", value: {} };
const say = (value: string) => ({ case: "text", value });

function write(events: readonly Event[], options: Partial<StreamOptions> = {}): string {
  const writer = createStreamWriter({ includeUsage: false, legacyFunctions: false, ...options });
  // One write for each event shows that nothing hangs on how they are grouped.
  return events.map((event) => writer.write([create(StreamGenerateResponseSchema, { event })])).join("");
}

function chunksOf(stream: string): ChatCompletionChunk[] {
  const data = stream.split("\n\n").slice(0, -1).map((event) => event.replace(/^data: /, ""));
  expect(data.at(-1)).toBe("[DONE]");
  return data.slice(0, -1).map((json) => JSON.parse(json) as ChatCompletionChunk);
}

const deltasOf = (events: readonly Event[], options: Partial<StreamOptions> = {}) => chunksOf(write(events, options)).map(({ choices: [choice] }) => choice!.delta);

/** The stream as the official client reads it. */
function clientFor(stream: string): OpenAI {
  return new OpenAI({ apiKey: "key", maxRetries: 0, fetch: () => Promise.resolve(new Response(stream, { headers: { "content-type": "text/event-stream" } })) });
}

test("writes text as OpenAI does", () => {
  const head = { id: "chatcmpl-msg_1", object: "chat.completion.chunk", created: 1_700_000_000, model: "model-x" } as const;
  expect(chunksOf(write([start, begin(0, text), grow(0, say("Hel")), grow(0, say("lo")), { case: "partEnd", value: {} }, finish(FinishReason.STOP), end]))).toEqual([
    { ...head, choices: [{ index: 0, delta: { role: "assistant", content: "", refusal: null }, logprobs: null, finish_reason: null }] },
    { ...head, choices: [{ index: 0, delta: { content: "Hel" }, logprobs: null, finish_reason: null }] },
    { ...head, choices: [{ index: 0, delta: { content: "lo" }, logprobs: null, finish_reason: null }] },
    { ...head, choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }] },
  ] satisfies ChatCompletionChunk[]);
});

test("the usage chunk comes last, only when asked for, and the others then say null", () => {
  const chunks = chunksOf(write([start, begin(0, text), finish(FinishReason.STOP), end], { includeUsage: true }));
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 0 }, service_tier: "default" });
  expect(chunks.slice(0, -1).map(({ usage }) => usage)).toEqual([null, null]);
  expect(chunksOf(write([start, begin(0, text), finish(FinishReason.STOP), { case: "end", value: {} }], { includeUsage: true }))).toHaveLength(2);
});

test("the official client puts tool calls together", async () => {
  const call = (id: string) => ({ case: "toolCall", value: { id, name: `tool_${id}` } });
  const stream = write([
    start,
    begin(0, text),
    grow(0, say("Wait.")),
    begin(1, call("a")),
    begin(2, call("b")),
    grow(1, { case: "arguments", value: '{"x":' }),
    grow(2, { case: "arguments", value: "{}" }),
    grow(1, { case: "arguments", value: "1}" }),
    finish(FinishReason.TOOL_CALLS),
    end,
  ]);
  const { choices } = await clientFor(stream).chat.completions.stream({ model: "m", messages: [] }).finalChatCompletion();
  expect(choices[0]).toMatchObject({
    finish_reason: "tool_calls",
    message: {
      role: "assistant",
      content: "Wait.",
      tool_calls: [
        { id: "a", type: "function", function: { name: "tool_a", arguments: '{"x":1}' } },
        { id: "b", type: "function", function: { name: "tool_b", arguments: "{}" } },
      ],
    },
  });
});

test("custom tools stream their input", () => {
  expect(deltasOf([start, begin(0, { case: "toolCall", value: { id: "a", name: "g", custom: true } }), grow(0, { case: "arguments", value: "free" }), end])).toMatchObject([
    { role: "assistant", content: null, tool_calls: [{ index: 0, id: "a", type: "custom", custom: { name: "g", input: "" } }] },
    { tool_calls: [{ index: 0, custom: { input: "free" } }] },
  ]);
});

test("callers of legacy functions get the first call as theirs", () => {
  const call = { case: "toolCall", value: { id: "a", name: "f" } };
  const events = [start, begin(0, call), grow(0, { case: "arguments", value: "{}" }), begin(1, call), grow(1, { case: "arguments", value: "no" }), finish(FinishReason.TOOL_CALLS), end];
  expect(deltasOf(events, { legacyFunctions: true })).toMatchObject([{ function_call: { name: "f", arguments: "" } }, { function_call: { arguments: "{}" } }, {}]);
  expect(chunksOf(write(events, { legacyFunctions: true })).at(-1)!.choices[0]!.finish_reason).toBe("function_call");
});

test("reasoning streams its text, and its signature for the way back", () => {
  const deltas = deltasOf([
    start,
    begin(0, { case: "reasoning", value: {} }),
    grow(0, say("hm")),
    grow(0, { case: "signature", value: "sig" }),
    begin(1, { case: "reasoning", value: { redactedData: "xyz" } }),
    begin(2, text),
    end,
  ]);
  expect(deltas).toMatchObject([
    { role: "assistant", reasoning_content: "" },
    { reasoning_content: "hm", reasoning_details: [{ type: "reasoning.text", text: "hm", index: 0 }] },
    { reasoning_details: [{ type: "reasoning.text", text: "", signature: "sig", index: 0 }] },
    { reasoning_details: [{ type: "reasoning.encrypted", data: "xyz", index: 1 }] },
  ]);
});

test("refusals, citations, sound and native pieces", () => {
  const token = { token: "No", logprob: -1 };
  const chunks = chunksOf(write([start, begin(0, { case: "refusal", value: {} }), grow(0, say("No"), 0, [token]), end]));
  expect(chunks[1]!.choices[0]).toMatchObject({ delta: { refusal: "No" }, logprobs: { content: null, refusal: [{ token: "No", logprob: -1, bytes: null }] } });

  const second = [begin(0, text), grow(0, say("ab")), begin(1, text), grow(1, say("cd")), grow(1, { case: "citation", value: { url: "https://a", title: "A" } })];
  expect(deltasOf([start, ...second, end]).at(-1)).toEqual({ annotations: [{ type: "url_citation", url_citation: { url: "https://a", title: "A", start_index: 2, end_index: 4 } }] });

  const sound = [begin(0, { case: "audio", value: { id: "audio_1" } }), grow(0, { case: "audio", value: new Uint8Array([1, 2, 3]) }), grow(0, { case: "transcript", value: "Hi" })];
  expect(deltasOf([start, ...sound, end])).toMatchObject([{ audio: { id: "audio_1" } }, { audio: { data: "AQID" } }, { audio: { transcript: "Hi" } }]);

  const native = begin(0, { case: "native", value: { dialect: "anthropic", json: new TextEncoder().encode('{"a":1}') } });
  expect(deltasOf([start, native, end])).toMatchObject([{ native_parts: [{ dialect: "anthropic", part: { a: 1 } }] }]);
});

test("each candidate names its role once", () => {
  const chunks = chunksOf(write([start, begin(0, text), begin(0, text, 1), grow(0, say("A")), grow(0, say("B"), 1), finish(FinishReason.STOP), finish(FinishReason.LENGTH, 1), end]));
  const roles = chunks.flatMap(({ choices: [choice] }) => (choice!.delta.role === undefined ? [] : [choice!.index]));
  expect(roles).toEqual([0, 1]);
});

test("a candidate without a part has a role too", () => {
  expect(deltasOf([start, finish(FinishReason.CONTENT_FILTER), end])).toEqual([{ role: "assistant", content: null, refusal: null }]);
});

test("an error in mid-stream is one for the official client", async () => {
  const writer = createStreamWriter({ includeUsage: false, legacyFunctions: false });
  const begun = writer.write([create(StreamGenerateResponseSchema, { event: start }), create(StreamGenerateResponseSchema, { event: begin(0, text) })]);
  const stream = await clientFor(begun + writer.writeError(new GatewayError("UPSTREAM_INTERRUPTED", "It broke off."), "req_1")).chat.completions.create({ model: "m", messages: [], stream: true });
  const read = async (): Promise<ChatCompletionChunk[]> => {
    const chunks: ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  };
  await expect(read()).rejects.toMatchObject({ message: "It broke off.", type: "server_error", code: "upstream_interrupted" });
});
