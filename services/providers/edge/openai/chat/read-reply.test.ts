import type { ChatCompletion } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { readReply, summarizeReply } from "./read-reply.ts";

const reply = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "gpt-x-2026",
  service_tier: "default",
  choices: [
    {
      index: 0,
      finish_reason: "tool_calls",
      logprobs: { content: [{ token: "Hi", bytes: [72, 105], logprob: -0.5, top_logprobs: [{ token: "Hi", bytes: null, logprob: -0.5 }] }], refusal: null },
      message: {
        role: "assistant",
        content: "Hi",
        refusal: null,
        annotations: [{ type: "url_citation", url_citation: { url: "https://a", title: "A", start_index: 0, end_index: 2 } }],
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "f", arguments: '{"a":1}' } },
          { id: "call_2", type: "custom", custom: { name: "g", input: "free text" } },
        ],
      },
    },
  ],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
} satisfies ChatCompletion;

const read = (value: unknown) => readReply(Buffer.from(JSON.stringify(value)));
const readMessage = (message: object) => read({ choices: [{ message, finish_reason: "stop" }] }).response.candidates[0]!;
const partsOf = (message: object) => readMessage(message).message!.parts.map(({ kind }) => kind);

test("reads a whole reply", () => {
  const { response, summary } = read(reply);
  expect(response).toMatchObject({
    id: "chatcmpl-1",
    model: "gpt-x-2026",
    serviceTier: "default",
    createTime: { seconds: 1_700_000_000n },
    candidates: [
      {
        finishReason: FinishReason.TOOL_CALLS,
        nativeFinishReason: "tool_calls",
        logprobs: [{ token: "Hi", logprob: -0.5, tokenBytes: new Uint8Array([72, 105]), top: [{ token: "Hi" }] }],
        message: {
          parts: [
            { kind: { case: "text", value: { text: "Hi", citations: [{ url: "https://a", title: "A", startIndex: 0, endIndex: 2 }] } } },
            { kind: { case: "toolCall", value: { id: "call_1", name: "f", arguments: '{"a":1}', custom: false } } },
            { kind: { case: "toolCall", value: { id: "call_2", name: "g", arguments: "free text", custom: true } } },
          ],
        },
      },
    ],
  });
  expect(summary).toMatchObject({ finishReason: "tool_calls", servedModel: "gpt-x-2026", serviceTier: "default", usage: { quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 10n }, { meter: Meter.OUTPUT_TOKENS, quantity: 5n }] } });
});

test("the summary without types is the same", () => {
  expect(summarizeReply(Buffer.from(JSON.stringify(reply)))).toEqual(read(reply).summary);
});

test("a refusal, sound and images are parts", () => {
  expect(partsOf({ content: null, refusal: "No." })).toMatchObject([{ case: "refusal", value: { text: "No." } }]);
  expect(partsOf({ content: null, audio: { id: "audio_1", data: "AQID", expires_at: 1, transcript: "Hi" } })).toMatchObject([
    { case: "audio", value: { id: "audio_1", transcript: "Hi", media: { source: { value: new Uint8Array([1, 2, 3]) } } } },
  ]);
  expect(partsOf({ content: "", images: [{ type: "image_url", image_url: { url: "data:image/png;base64,AQID" } }] })).toMatchObject([
    { case: "image", value: { media: { mediaType: "image/png", source: { value: new Uint8Array([1, 2, 3]) } } } },
  ]);
});

test.each(["reasoning_content", "reasoning"])("reads %s", (name) => {
  expect(partsOf({ [name]: "hm", content: "A" })).toMatchObject([{ case: "reasoning", value: { text: "hm" } }, { case: "text" }]);
});

test("reads reasoning details with their signatures, joined by index", () => {
  const reasoning_details = [
    { type: "reasoning.text", text: "h", index: 0 },
    { type: "reasoning.text", text: "m", signature: "sig", index: 0 },
    { type: "reasoning.encrypted", data: "xyz", index: 1 },
    { type: "reasoning.summary", summary: "short", index: 2 },
  ];
  expect(partsOf({ reasoning: "hm", reasoning_details, content: null })).toMatchObject([
    { value: { text: "hm", signature: "sig" } },
    { value: { text: "", redactedData: "xyz" } },
    { value: { text: "short", isSummary: true } },
  ]);
});

test.each([
  ["stop", FinishReason.STOP],
  ["length", FinishReason.LENGTH],
  ["model_length", FinishReason.LENGTH],
  ["content_filter", FinishReason.CONTENT_FILTER],
  ["eos", FinishReason.OTHER],
  [null, FinishReason.UNSPECIFIED],
])("finish reason %s", (finish_reason, expected) => {
  expect(read({ choices: [{ message: { content: "A" }, finish_reason }] }).response.candidates[0]!.finishReason).toBe(expected);
});

test("a forced tool call says stop, but waits for its tool", () => {
  const candidate = readMessage({ content: null, tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }] });
  expect(candidate).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "stop" });
});

test("compatible servers may leave out ids, usage, type and model", () => {
  const { response, summary } = read({ choices: [{ message: { content: null, tool_calls: [{ function: { name: "f", arguments: { a: 1 } } }] } }] });
  expect(response.candidates[0]!.message!.parts[0]!.kind).toMatchObject({ value: { id: "call__0_0", name: "f", arguments: '{"a":1}' } });
  expect(response.usage).toBeUndefined();
  expect(summary).toEqual({ usage: undefined, finishReason: "", servedModel: "", serviceTier: "" });
});

test("a legacy function call is a tool call", () => {
  expect(partsOf({ content: null, function_call: { name: "f", arguments: "{}" } })).toMatchObject([{ case: "toolCall", value: { name: "f", arguments: "{}" } }]);
});

test("content in parts is read, what is unknown in it kept", () => {
  const thinking = { type: "thinking", thinking: [{ type: "text", text: "h" }, { type: "text", text: "m" }], signature: "s" };
  const citing = { type: "thinking", thinking: [{ type: "reference", reference_ids: [1] }] };
  const [reasoning, text, native] = partsOf({ content: [thinking, { type: "text", text: "A" }, citing] });
  expect(reasoning).toMatchObject({ case: "reasoning", value: { text: "hm", signature: "s" } });
  expect(text).toMatchObject({ case: "text", value: { text: "A" } });
  expect(JSON.parse(Buffer.from((native!.value as { json: Uint8Array }).json).toString())).toEqual(citing);
});

test("a part without a word says nothing: other vendors refuse it when it is sent back", () => {
  expect(partsOf({ content: [{ type: "text", text: "" }], tool_calls: [{ id: "c", function: { name: "f", arguments: "{}" } }] }).map((kind) => kind!.case)).toEqual(["toolCall"]);
});

test("keeps the stop sequence that vLLM names", () => {
  expect(read({ choices: [{ message: { content: "A" }, finish_reason: "stop", stop_reason: "END" }] }).response.candidates[0]!.stopSequence).toBe("END");
});

test.each(["", "<html>", "[]", "null", '"text"', "{}", '{"choices":[]}', '{"choices":[null]}'])("%j is no reply", (body) => {
  expect(() => readReply(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
});
