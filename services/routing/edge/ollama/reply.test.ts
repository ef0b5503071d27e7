import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Role, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { chatShape, generateShape } from "./reply.ts";
import { OllamaStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

type EventInit = NonNullable<Exclude<MessageInitShape<typeof StreamGenerateResponseSchema>, StreamGenerateResponse>["event"]>;

const createTime = { seconds: 1_760_000_000n };
const created_at = "2025-10-09T08:53:20.000Z";
const usage = {
  source: UsageSource.PROVIDER,
  quantities: [
    { meter: Meter.INPUT_TOKENS, quantity: 1n }, { meter: Meter.CACHED_INPUT_TOKENS, quantity: 10n }, { meter: Meter.CACHE_WRITE_1H_INPUT_TOKENS, quantity: 100n },
    { meter: Meter.OUTPUT_TOKENS, quantity: 2n }, { meter: Meter.REASONING_OUTPUT_TOKENS, quantity: 20n },
  ],
};
const counts = { prompt_eval_count: 111, eval_count: 22 };
const parts: MessageInitShape<typeof PartSchema>[] = [
  { kind: { case: "reasoning", value: { text: "Hm.", signature: "s" } } },
  { kind: { case: "text", value: { text: "Look: " } } },
  { kind: { case: "toolCall", value: { id: "c1", name: "f", arguments: '{"a":1}' } } },
  { kind: { case: "toolCall", value: { id: "c2", name: "g", arguments: "not JSON" } } },
  { kind: { case: "image", value: { media: { source: { case: "data", value: Buffer.from([0, 1, 2]) }, mediaType: "image/png" } } } },
  { kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from("{}") } } },
];
const placeholder = `[The reply holds a piece in the form of "anthropic", which this API cannot carry.]`;
const calls = [{ id: "c1", function: { index: 0, name: "f", arguments: { a: 1 } } }, { id: "c2", function: { index: 1, name: "g", arguments: { input: "not JSON" } } }];

const response = (candidate: object = {}) => create(GenerateResponseSchema, { id: "r", model: "m", createTime, candidates: [{ message: { role: Role.ASSISTANT, parts }, finishReason: FinishReason.TOOL_CALLS, ...candidate }], usage });
const event = (init: EventInit) => create(StreamGenerateResponseSchema, { event: init });
const linesOf = (text: string) => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as object);

test("a chat's reply", () => {
  expect(writeReply(response(), chatShape)).toEqual({
    model: "m", created_at, done: true, done_reason: "stop", ...counts,
    message: { role: "assistant", content: `Look: ${placeholder}`, thinking: "Hm.", images: ["AAEC"], tool_calls: calls },
  });
});

test("a prompt's reply", () => {
  expect(writeReply(response(), generateShape)).toMatchObject({ model: "m", response: `Look: ${placeholder}`, thinking: "Hm.", done: true, ...counts });
  expect(writeReply(create(GenerateResponseSchema, { model: "m", createTime }), generateShape)).toEqual({ model: "m", created_at, response: "", done: true, done_reason: "stop" });
});

test.each([
  [FinishReason.STOP, "end_turn", "stop"],
  [FinishReason.LENGTH, "max_tokens", "length"],
  [FinishReason.CONTENT_FILTER, "SAFETY", "content_filter"],
  [FinishReason.REFUSAL, "refusal", "refusal"],
  [FinishReason.PAUSE, "pause_turn", "pause_turn"],
  [FinishReason.OTHER, "", "stop"],
])("finish %s (%s) is %s", (finishReason, nativeFinishReason, done_reason) => {
  expect(writeReply(response({ finishReason, nativeFinishReason }), chatShape)).toMatchObject({ done_reason });
});

test("probabilities", () => {
  const logprobs = [{ token: "a", logprob: -1, tokenBytes: Buffer.from("a"), top: [{ token: "b", logprob: -2 }] }];
  expect(writeReply(response({ logprobs }), chatShape)).toMatchObject({ logprobs: [{ token: "a", logprob: -1, bytes: [97], top_logprobs: [{ token: "b", logprob: -2 }] }] });
});

test("a stream is a line for each piece; calls that grow at the same time are written when they are whole", () => {
  const start = (partIndex: number, part: MessageInitShape<typeof PartSchema>) => event({ case: "partStart", value: { partIndex, part } });
  const grow = (partIndex: number, kind: "text" | "arguments" | "signature", value: string) => event({ case: "partDelta", value: { partIndex, delta: { case: kind, value } } });
  const end = (partIndex: number) => event({ case: "partEnd", value: { partIndex } });
  const lines = linesOf(
    new OllamaStreamWriter(chatShape).write([
      event({ case: "start", value: { model: "m", createTime } }),
      start(0, { kind: { case: "reasoning", value: {} } }), grow(0, "text", "Hm."), grow(0, "signature", "s"), end(0),
      start(1, { kind: { case: "text", value: {} } }), grow(1, "text", "Lo"), grow(1, "text", "ok"), end(1),
      event({ case: "partDelta", value: { candidateIndex: 1, partIndex: 1, delta: { case: "text", value: "another candidate" } } }),
      start(2, { kind: { case: "toolCall", value: { id: "c1", name: "f" } } }), start(3, { kind: { case: "toolCall", value: { id: "c2", name: "g" } } }),
      grow(2, "arguments", '{"a"'), grow(3, "arguments", "not JSON"), grow(2, "arguments", ":1}"), end(2),
      event({ case: "candidateEnd", value: { finishReason: FinishReason.LENGTH } }),
      event({ case: "end", value: { usage } }),
    ]),
  );
  const identity = { model: "m", created_at };
  const line = (message: object) => ({ ...identity, message: { role: "assistant", content: "", ...message }, done: false });
  expect(lines).toEqual([
    line({ thinking: "Hm." }),
    line({ content: "Lo" }),
    line({ content: "ok" }),
    line({ tool_calls: [calls[0]] }),
    line({ tool_calls: [calls[1]] }),
    { ...identity, message: { role: "assistant", content: "" }, done: true, done_reason: "length", ...counts },
  ]);
});

test("a prompt's stream, and its error", () => {
  const writer = new OllamaStreamWriter(generateShape);
  const begun = writer.write([event({ case: "start", value: { model: "m", createTime } }), event({ case: "partStart", value: { part: { kind: { case: "text", value: { text: "Hi" } } } } })]);
  expect(linesOf(begun + writer.writeError(new GatewayError("UPSTREAM_INTERRUPTED", "Cut.")))).toEqual([{ model: "m", created_at, response: "Hi", done: false }, { error: "Cut." }]);
});
