import { expect, test } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { reply } from "./fixtures.ts";
import { ollamaVendor } from "./ollama-vendor.ts";
import { readReply } from "./read-reply.ts";

const read = (value: unknown) => readReply(Buffer.from(JSON.stringify(value)));

test("reads reasoning, text, calls, log-probabilities and usage", () => {
  const { response, summary } = read(reply);
  expect(response).toMatchObject({ model: "qwen3:8b", createTime: { seconds: 1_751_919_739n } });
  const [candidate] = response.candidates;
  expect(candidate).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "stop", logprobs: [{ token: "A", logprob: -0.5, tokenBytes: new Uint8Array([65]), top: [{ token: "B", logprob: -1 }] }] });
  expect(candidate!.message!.parts.map(({ kind }) => kind)).toMatchObject([
    { case: "reasoning", value: { text: "Hm, rivers." } },
    { case: "text", value: { text: "A weir 🌊 …" } },
    { case: "toolCall", value: { id: "call_get_flow", name: "get_flow", arguments: '{"river":"Aare"}' } },
    { case: "toolCall", value: { id: "call_now", name: "now", arguments: "{}" } },
  ]);
  expect(summary).toMatchObject({ finishReason: "stop", servedModel: "qwen3:8b", usage: { source: UsageSource.PROVIDER } });
  expect(summary.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 26n], [Meter.OUTPUT_TOKENS, 282n]]);
});

test("calls of an old server get ids, and long numbers keep their digits", () => {
  const body = `{"created_at":"2025-07-07T20:22:19.184Z","message":{"tool_calls":[{"function":{"name":"f","arguments":{"id":12345678901234567890}}},{"function":{"name":"g"}}]}}`;
  const { response } = readReply(Buffer.from(body));
  expect(response.candidates[0]!.message!.parts.map(({ kind }) => kind.value)).toMatchObject([
    { id: "call_1751919739184_0", arguments: '{"id":12345678901234567890}' },
    { id: "call_1751919739184_1", arguments: "{}" },
  ]);
});

test.each([
  ["stop", FinishReason.STOP],
  ["", FinishReason.STOP],
  ["length", FinishReason.LENGTH],
  ["unload", FinishReason.OTHER],
])("done because of %j", (word, finishReason) => {
  expect(read({ message: { content: "a" }, done: true, done_reason: word }).response.candidates[0]).toMatchObject({ finishReason, nativeFinishReason: word });
});

test("a count of 0 is told apart from none", () => {
  expect(read({ message: {} }).summary.usage).toBeUndefined();
  expect(read({ message: {}, eval_count: 3 }).summary.usage!.quantities).toMatchObject([{ meter: Meter.OUTPUT_TOKENS, quantity: 3n }]);
});

test.each([["no JSON", "{"], ["no object", "[]"], ["no message", '{"done":true}']])("refuses %s", (_what, body) => {
  expect(() => readReply(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
});

test.each([
  [400, "UPSTREAM_REJECTED", "model 'x' not found"],
  [401, "UPSTREAM_UNAUTHENTICATED", "credential"],
  [404, "UPSTREAM_REJECTED", "model 'x' not found"],
  [429, "UPSTREAM_RATE_LIMITED", "rate"],
  [500, "UPSTREAM_UNAVAILABLE", "500"],
])("status %i is %s", (status, reason, words) => {
  const error = ollamaVendor.readError({ status, headers: {}, body: Buffer.from(`{"error":"model 'x' not found"}`) });
  expect(error).toMatchObject({ reason, message: expect.stringContaining(words) as string });
});

test("reads vectors with their usage, and refuses what are none", () => {
  const embed = (value: unknown) => ollamaVendor.operations.embed!.readReply(Buffer.from(JSON.stringify(value)));
  const { response, summary } = embed({ model: "all-minilm", embeddings: [[0.5, -1], [0.25, 2]], total_duration: 14_143_917, load_duration: 1_019_500, prompt_eval_count: 8 });
  expect(response).toMatchObject({ model: "all-minilm", embeddings: [{ index: 0, values: [0.5, -1] }, { index: 1, values: [0.25, 2] }] });
  expect(summary.usage!.quantities).toMatchObject([{ meter: Meter.INPUT_TOKENS, quantity: 8n }]);
  for (const embeddings of [undefined, [], ["AAAA"]]) expect(() => embed({ embeddings })).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
});
