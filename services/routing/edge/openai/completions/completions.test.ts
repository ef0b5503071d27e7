import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Completion } from "openai/resources/completions";
import { expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { completionsEndpoint } from "./completions.ts";

type EventInit = NonNullable<Exclude<MessageInitShape<typeof StreamGenerateResponseSchema>, StreamGenerateResponse>["event"]>;

const usage = { source: UsageSource.PROVIDER, quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 3n }, { meter: Meter.OUTPUT_TOKENS, quantity: 2n }] };
const read = (body: object) => {
  const call = completionsEndpoint.read({ model: "m", prompt: "Hi", ...body });
  return { call, generation: call.toGeneration(), unknownFields: call.unknownFields };
};

test.each(["Hi", ["Hi"]])("the prompt %j is a user's message", (prompt) => {
  const { call, generation, unknownFields } = read({ prompt, max_tokens: 5, temperature: 0.5, n: 2, stop: "END", seed: 7, user: "u", logprobs: 3, stream: true, best_of: 2, echo: false });
  expect(call).toMatchObject({ model: "m", stream: true, isNative: false });
  expect(generation).toMatchObject({
    messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "Hi" } } }] }],
    maxOutputTokens: 5n, sampling: { temperature: 0.5, seed: 7n }, candidateCount: 2, stopSequences: ["END"], endUser: "u", logprobs: true, topLogprobs: 3,
  });
  expect(unknownFields).toEqual([]);
});

test("names what a chat has nothing for", () => {
  expect(read({ suffix: "s", echo: true, best_of: 3, tools: [], future: 1 }).unknownFields).toEqual(["suffix", "echo", "best_of", "tools", "future"]);
});

test.each([
  ["INVALID_REQUEST", undefined],
  ["INVALID_REQUEST", ""],
  ["INVALID_REQUEST", []],
  ["UNSUPPORTED_FIELD", ["a", "b"]],
  ["UNSUPPORTED_FIELD", [1, 2]],
  ["UNSUPPORTED_FIELD", [[1]]],
])("%s for the prompt %j", (reason, prompt) => {
  expect(() => read({ prompt })).toThrow(expect.objectContaining({ reason }));
});

test("writes a completion", () => {
  const response = create(GenerateResponseSchema, {
    id: "r1", model: "m", createTime: { seconds: 5n }, usage,
    candidates: [{
      message: { role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "Hm." } } }, { kind: { case: "text", value: { text: "ab" } } }] },
      finishReason: FinishReason.LENGTH,
      logprobs: [{ token: "a", logprob: -1, top: [{ token: "a", logprob: -1 }, { token: "c", logprob: -2 }] }, { token: "b", logprob: -3 }],
    }],
  });
  expect(read({}).call.writeReply(response)).toEqual({
    id: "cmpl-r1", object: "text_completion", created: 5, model: "m",
    choices: [{
      text: "ab", index: 0, finish_reason: "length", reasoning_content: "Hm.",
      logprobs: { tokens: ["a", "b"], token_logprobs: [-1, -3], top_logprobs: [{ a: -1, c: -2 }, {}], text_offset: [0, 1] },
    }],
    usage: expect.objectContaining({ prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }) as object,
  });
});

test("writes a stream, with the usage for who asked", () => {
  const event = (init: EventInit) => create(StreamGenerateResponseSchema, { event: init });
  const grow = (partIndex: number, text: string, logprobs: object[] = []) => event({ case: "partDelta", value: { partIndex, delta: { case: "text", value: text }, logprobs } });
  const events = [
    event({ case: "start", value: { id: "r1", model: "m", createTime: { seconds: 5n } } }),
    event({ case: "partStart", value: { partIndex: 0, part: { kind: { case: "reasoning", value: {} } } } }),
    grow(0, "Hm."),
    event({ case: "partStart", value: { partIndex: 1, part: { kind: { case: "text", value: { text: "a" } } } } }),
    grow(1, "b", [{ token: "b", logprob: -1 }]),
    event({ case: "candidateEnd", value: { finishReason: FinishReason.STOP } }),
    event({ case: "end", value: { usage } }),
  ];
  const chunksFor = (body: object): Completion[] => {
    const stream = read({ stream: true, ...body }).call.createStreamWriter().write(events);
    expect(stream.endsWith("data: [DONE]\n\n")).toBe(true);
    return stream.split("\n\n").slice(0, -2).map((text) => JSON.parse(text.replace(/^data: /, "")) as Completion);
  };
  const chunks = chunksFor({});
  expect(chunks.every(({ id, object, created, model }) => id === "cmpl-r1" && object === "text_completion" && created === 5 && model === "m")).toBe(true);
  expect(chunks.map(({ choices }) => choices[0])).toEqual([
    { text: "", index: 0, logprobs: null, finish_reason: null, reasoning_content: "Hm." },
    { text: "a", index: 0, logprobs: null, finish_reason: null },
    { text: "b", index: 0, logprobs: { tokens: ["b"], token_logprobs: [-1], top_logprobs: [{}], text_offset: [1] }, finish_reason: null },
    { text: "", index: 0, logprobs: null, finish_reason: "stop" },
  ]);
  expect(chunksFor({ stream_options: { include_usage: true } }).at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 5 } });
  expect(read({}).call.createStreamWriter().writeError(new GatewayError("UPSTREAM_INTERRUPTED", "Cut."), "req_1")).toContain('"message":"Cut."');
});
