import { expect, test } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { cohereVendor } from "./cohere-vendor.ts";
import { message } from "./fixtures.ts";
import { readReply } from "./read-reply.ts";
import { readUsage } from "./usage.ts";

const read = (value: unknown) => readReply(Buffer.from(JSON.stringify(value)));

test("reads reasoning, text, what is planned, calls and citations in their order", () => {
  const { response, summary } = read(message);
  expect(response).toMatchObject({ id: "e7592632", model: "" });
  const [candidate] = response.candidates;
  expect(candidate).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "TOOL_CALL" });
  expect(candidate!.message!.parts.map(({ kind }) => kind)).toMatchObject([
    { case: "reasoning", value: { text: "Hm, rivers." } },
    // Cohere counted characters: the two waves are four code units.
    { case: "text", value: { text: "🌊🌊: Aare", citations: [{ citedText: "Aare", title: "Rivers", url: "https://rivers.example", documentIndex: 1, startIndex: 6, endIndex: 10 }] } },
    { case: "text", value: { text: "I look it up.", citations: [{ citedText: "I look", startIndex: 0, endIndex: 6 }] } },
    { case: "toolCall", value: { id: "get_flow_1", name: "get_flow", arguments: '{"river":"Aare"}' } },
    { case: "toolCall", value: { id: "now_2", name: "now", arguments: "{}" } },
  ]);
  expect(summary).toMatchObject({ finishReason: "TOOL_CALL", servedModel: "" });
});

test("a citation of the reasoning stands with the first text, without a place in it", () => {
  const content = [{ type: "thinking", thinking: "H" }, { type: "text", text: "A" }];
  const { response } = read({ message: { content, citations: [{ type: "THINKING_CONTENT", start: 0, end: 1, text: "H", content_index: 0 }] } });
  const { kind } = response.candidates[0]!.message!.parts[1]!;
  expect(kind).toMatchObject({ case: "text", value: { citations: [{ citedText: "H" }] } });
  expect(kind.case === "text" && kind.value.citations[0]!.startIndex).toBeUndefined();
});

test.each([
  ["COMPLETE", FinishReason.STOP],
  ["STOP_SEQUENCE", FinishReason.STOP],
  ["MAX_TOKENS", FinishReason.LENGTH],
  ["ERROR_TOXIC", FinishReason.CONTENT_FILTER],
  ["TIMEOUT", FinishReason.OTHER],
])("%s", (word, finishReason) => {
  expect(read({ message: { content: [] }, finish_reason: word }).response.candidates[0]).toMatchObject({ finishReason, nativeFinishReason: word });
});

test.each([["no JSON", "{"], ["no object", "[]"], ["no message", '{"id":"a"}']])("refuses %s", (_what, body) => {
  expect(() => readReply(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
});

const { INPUT_TOKENS, CACHED_INPUT_TOKENS, OUTPUT_TOKENS, SEARCH_UNITS, IMAGES } = Meter;
test.each([
  ["what is billed, not what Cohere adds to the prompt", message.usage, [[INPUT_TOKENS, 12n], [OUTPUT_TOKENS, 7n]]],
  ["of the billed input what was cached beyond all that Cohere adds", { billed_units: { input_tokens: 20, output_tokens: 7 }, tokens: { input_tokens: 507 }, cached_tokens: 496 }, [[INPUT_TOKENS, 11n], [CACHED_INPUT_TOKENS, 9n], [OUTPUT_TOKENS, 7n]]],
  ["no more cached tokens than are billed", { billed_units: { input_tokens: 3 }, tokens: { input_tokens: 2 }, cached_tokens: 4 }, [[CACHED_INPUT_TOKENS, 3n]]],
  ["nothing as cached where all tokens are not told", { billed_units: { input_tokens: 3 }, cached_tokens: 3 }, [[INPUT_TOKENS, 3n]]],
  ["the tokens where nothing is billed, cached ones apart", { tokens: { input_tokens: 10, output_tokens: 2 }, cached_tokens: 4 }, [[INPUT_TOKENS, 6n], [CACHED_INPUT_TOKENS, 4n], [OUTPUT_TOKENS, 2n]]],
  ["no more cached tokens than there are", { tokens: { input_tokens: 3 }, cached_tokens: 4 }, [[CACHED_INPUT_TOKENS, 3n]]],
  ["searches and pictures", { billed_units: { input_tokens: 0, search_units: 2, images: 1, image_tokens: 5 } }, [[INPUT_TOKENS, 5n], [SEARCH_UNITS, 2n], [IMAGES, 1n]]],
  ["nothing, told apart from unreported", { billed_units: { input_tokens: 0 } }, []],
])("counts %s", (_what, usage, quantities) => {
  const read = readUsage(usage);
  expect(read?.source).toBe(UsageSource.PROVIDER);
  expect(read?.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual(quantities);
});

test.each([[undefined], [{}], [{ tokens: {} }]])("%o is no report", (usage) => {
  expect(readUsage(usage)).toBeUndefined();
});

test.each([
  [400, "UPSTREAM_REJECTED", "too many tokens"],
  [401, "UPSTREAM_UNAUTHENTICATED", "credential"],
  [402, "UPSTREAM_RATE_LIMITED", "quota"],
  [404, "UPSTREAM_REJECTED", "too many tokens"],
  [422, "UPSTREAM_REJECTED", "too many tokens"],
  [429, "UPSTREAM_RATE_LIMITED", "rate"],
  [503, "UPSTREAM_UNAVAILABLE", "503"],
])("status %i is %s", (status, reason, words) => {
  const body = Buffer.from('{"id":"a","message":"too many tokens"}');
  const error = cohereVendor.readError({ status, headers: { "retry-after": "2" }, body });
  expect(error).toMatchObject({ reason, message: expect.stringContaining(words) as string });
  expect(error.retryAfterMs).toBe(status === 429 || status === 503 ? 2000 : undefined);
});

test("reads vectors with their usage, and refuses what are none", () => {
  const embed = (value: unknown) => cohereVendor.operations.embed!.readReply(Buffer.from(JSON.stringify(value)));
  const { response, summary } = embed({ id: "a", embeddings: { float: [[0.5, -1], [0.25, 2]] }, texts: ["a", "b"], meta: { api_version: { version: "2" }, billed_units: { input_tokens: 3 } } });
  expect(response.embeddings).toMatchObject([{ index: 0, values: [0.5, -1] }, { index: 1, values: [0.25, 2] }]);
  expect(summary.usage!.quantities).toMatchObject([{ meter: INPUT_TOKENS, quantity: 3n }]);
  for (const embeddings of [undefined, { float: [] }, { int8: [[1]] }, { float: ["AAAA"] }]) {
    expect(() => embed({ embeddings })).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  }
});
