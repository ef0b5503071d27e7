import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ChatCompletion } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import { Role, type Part, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSchema } from "#gen/weir/types/v1/usage_pb.ts";
import { writeUsage } from "../usage.ts";
import { writeReply } from "./write-reply.ts";

type Parts = Exclude<MessageInitShape<typeof PartSchema>, Part>[];
type Response = Exclude<MessageInitShape<typeof GenerateResponseSchema>, { $typeName: string }>;

/** A reply as it goes over the wire. */
function write(parts: Parts, init: Response = {}, end: object = { finishReason: FinishReason.STOP }, legacyFunctions = false): ChatCompletion {
  const response = create(GenerateResponseSchema, { id: "chatcmpl-1", model: "gpt-x", candidates: [{ message: { role: Role.ASSISTANT, parts }, ...end }], ...init });
  return JSON.parse(JSON.stringify(writeReply(response, legacyFunctions))) as ChatCompletion;
}

const text = (value: string, citations: object[] = []) => ({ kind: { case: "text", value: { text: value, citations } } }) as const;
const toolCall = (id: string, custom = false) => ({ kind: { case: "toolCall", value: { id, name: "f", arguments: "{}", custom } } }) as const;

test("writes exactly what OpenAI writes", () => {
  const usage = { quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 10n }, { meter: Meter.OUTPUT_TOKENS, quantity: 5n }] };
  expect(write([text("Hi")], { createTime: { seconds: 1_700_000_000n }, usage, serviceTier: "default" })).toEqual({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "gpt-x",
    choices: [{ index: 0, message: { role: "assistant", content: "Hi", refusal: null, annotations: [] }, logprobs: null, finish_reason: "stop" }],
    usage: {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 15,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
    },
    service_tier: "default",
  } satisfies ChatCompletion);
});

test("usage is inclusive again, and absent when unreported", () => {
  const meters = [
    [Meter.INPUT_TOKENS, 1n],
    [Meter.CACHED_INPUT_TOKENS, 10n],
    [Meter.CACHE_WRITE_5M_INPUT_TOKENS, 100n],
    [Meter.CACHE_WRITE_1H_INPUT_TOKENS, 1_000n],
    [Meter.AUDIO_INPUT_TOKENS, 10_000n],
    [Meter.OUTPUT_TOKENS, 2n],
    [Meter.REASONING_OUTPUT_TOKENS, 20n],
    [Meter.AUDIO_OUTPUT_TOKENS, 200n],
    [Meter.WEB_SEARCHES, 7n],
  ] as const;
  expect(writeUsage(create(UsageSchema, { quantities: meters.map(([meter, quantity]) => ({ meter, quantity })) }))).toMatchObject({
    prompt_tokens: 11_111,
    completion_tokens: 222,
    total_tokens: 11_333,
    prompt_tokens_details: { cached_tokens: 10, cache_write_tokens: 1_100, audio_tokens: 10_000 },
    completion_tokens_details: { reasoning_tokens: 20, audio_tokens: 200 },
  });
  expect(write([text("Hi")])).not.toHaveProperty("usage");
});

test.each([
  ["chatcmpl-1", "chatcmpl-1"],
  ["msg_1", "chatcmpl-msg_1"],
  ["", "chatcmpl-req_1"],
])("the id %j becomes %s", (id, expected) => {
  expect(write([text("Hi")], { id, requestId: "req_1" }).id).toBe(expected);
});

test("without a time of creation, that of the request stands in", () => {
  const requestId = "req_01hf7yat00aaaaaaaaaaaaaaaa";
  expect(write([text("Hi")], { requestId }).created).toBe(1_700_000_000);
});

test("tool calls, custom ones included", () => {
  const { message } = write([toolCall("a"), toolCall("b", true)]).choices[0]!;
  expect(message).toMatchObject({
    content: null,
    tool_calls: [
      { id: "a", type: "function", function: { name: "f", arguments: "{}" } },
      { id: "b", type: "custom", custom: { name: "f", input: "{}" } },
    ],
  });
});

test("callers of legacy functions get a function call", () => {
  const [choice] = write([toolCall("a")], {}, { finishReason: FinishReason.TOOL_CALLS }, true).choices;
  expect(choice).toMatchObject({ finish_reason: "function_call", message: { function_call: { name: "f", arguments: "{}" } } });
  expect(choice!.message).not.toHaveProperty("tool_calls");
});

test("reasoning, with what vendors want back", () => {
  const reasoning = (value: object) => ({ kind: { case: "reasoning", value } }) as const;
  const { message } = write([reasoning({ text: "hm", signature: "sig" }), reasoning({ redactedData: "xyz" }), reasoning({ text: "short", isSummary: true }), text("A")]).choices[0]!;
  expect(message).toMatchObject({
    content: "A",
    reasoning_content: "hmshort",
    reasoning_details: [
      { type: "reasoning.text", text: "hm", signature: "sig", index: 0 },
      { type: "reasoning.encrypted", data: "xyz", index: 1 },
      { type: "reasoning.summary", summary: "short", index: 2 },
    ],
  });
});

test("citations stand where their text stands", () => {
  const { message } = write([text("ab"), text("cde", [{ url: "https://a", title: "A", startIndex: 1, endIndex: 2 }, { citedText: "words", documentIndex: 3 }])]).choices[0]!;
  expect(message.content).toBe("abcde");
  expect(message.annotations).toEqual([
    { type: "url_citation", url_citation: { url: "https://a", title: "A", start_index: 3, end_index: 4 } },
    { type: "document_citation", document_citation: { title: "", cited_text: "words", document_index: 3, start_index: 2, end_index: 5 } },
  ]);
});

test("refusals, sound, images and native pieces", () => {
  const media = { source: { case: "data", value: new Uint8Array([1, 2, 3]) }, mediaType: "image/png" } as const;
  const { message } = write([
    { kind: { case: "refusal", value: { text: "No" } } },
    { kind: { case: "audio", value: { id: "audio_1", transcript: "Hi", media } } },
    { kind: { case: "image", value: { media } } },
    { kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from('{"type":"server_tool_use"}') } } },
  ]).choices[0]!;
  expect(message).toMatchObject({
    content: null,
    refusal: "No",
    audio: { id: "audio_1", data: "AQID", transcript: "Hi" },
    images: [{ type: "image_url", image_url: { url: "data:image/png;base64,AQID" } }],
    native_parts: [{ dialect: "anthropic", part: { type: "server_tool_use" } }],
  });
});

test("log-probabilities belong to the content, or to the refusal", () => {
  const logprobs = [{ token: "A", logprob: -1, tokenBytes: new Uint8Array([65]), top: [{ token: "B", logprob: -2 }] }];
  const written = [{ token: "A", logprob: -1, bytes: [65], top_logprobs: [{ token: "B", logprob: -2, bytes: null }] }];
  expect(write([text("A")], {}, { logprobs }).choices[0]!.logprobs).toEqual({ content: written, refusal: null });
  expect(write([{ kind: { case: "refusal", value: { text: "A" } } }], {}, { logprobs }).choices[0]!.logprobs).toEqual({ content: null, refusal: written });
});

test.each([
  [{ finishReason: FinishReason.LENGTH, nativeFinishReason: "max_tokens" }, { finish_reason: "length" }],
  [{ finishReason: FinishReason.STOP, stopSequence: "END" }, { finish_reason: "stop", stop_reason: "END" }],
  [{ finishReason: FinishReason.REFUSAL, nativeFinishReason: "refusal" }, { finish_reason: "content_filter", native_finish_reason: "refusal" }],
  [{ finishReason: FinishReason.PAUSE, nativeFinishReason: "pause_turn" }, { finish_reason: "stop", native_finish_reason: "pause_turn" }],
  [{ finishReason: FinishReason.OTHER, nativeFinishReason: "weather" }, { finish_reason: "stop", native_finish_reason: "weather" }],
  [{}, { finish_reason: "stop" }],
])("the end %j is written %j", (end, expected) => {
  const { index: _index, message: _message, logprobs: _logprobs, ...finish } = write([text("A")], {}, end).choices[0]!;
  expect(finish).toEqual(expected);
});
