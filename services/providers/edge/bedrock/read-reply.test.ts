import { describe, expect, it } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { bedrockVendor } from "./bedrock-vendor.ts";
import { reply } from "./fixtures.ts";
import { readUsage } from "./usage.ts";

const { readReply, summarizeReply } = bedrockVendor.generate;
const read = (changes: object = {}) => readReply(Buffer.from(JSON.stringify({ ...reply, ...changes })));

describe("a whole reply", () => {
  it("becomes parts of every kind", () => {
    const { response } = read();
    const native = (block: object) => ({ case: "native", value: expect.objectContaining({ dialect: "bedrock", json: Buffer.from(JSON.stringify(block)) }) });
    const { content } = reply.output.message;
    expect(response.candidates[0]!.message!.parts.map(({ kind }) => kind)).toEqual([
      { case: "reasoning", value: expect.objectContaining({ text: "Let me see…", signature: "c2ln", redactedData: "" }) },
      { case: "reasoning", value: expect.objectContaining({ text: "", redactedData: "b3BhcXVl" }) },
      native(content[2]!),
      native(content[3]!),
      {
        case: "text",
        value: expect.objectContaining({
          text: "The sky is blue — “blau”.",
          citations: [expect.objectContaining({ citedText: "the sky is blue", title: "Skies", documentIndex: 1, native: expect.objectContaining({ dialect: "bedrock" }) })],
        }),
      },
      { case: "image", value: expect.objectContaining({ media: expect.objectContaining({ mediaType: "image/png", source: { case: "data", value: Buffer.from("iVBORw0K", "base64") } }) }) },
      { case: "text", value: expect.objectContaining({ text: "So I paint." }) },
      { case: "toolCall", value: expect.objectContaining({ id: "tooluse_1", name: "paint", arguments: '{"colour":"blau 🎨"}', custom: false }) },
      { case: "toolCall", value: expect.objectContaining({ id: "tooluse_2", name: "stop", arguments: "{}" }) },
    ]);
    expect(response).toMatchObject({ id: "", model: "", serviceTier: "priority" });
  });

  it("has the address of a web source", () => {
    const content = [{ citationsContent: { content: [{ text: "a" }], citations: [{ location: { web: { url: "https://sky.example", domain: "sky.example" } } }] } }];
    const part = read({ output: { message: { content } } }).response.candidates[0]!.message!.parts[0]!;
    expect(part.kind).toMatchObject({ case: "text", value: { citations: [{ url: "https://sky.example" }] } });
  });

  it("keeps the digits of a call's numbers", () => {
    const body = JSON.stringify(reply).replace('"blau 🎨"', "12345678901234567890");
    expect(readReply(Buffer.from(body)).response.candidates[0]!.message!.parts[7]!.kind.value).toMatchObject({ arguments: '{"colour":12345678901234567890}' });
  });

  it.each([
    ["end_turn", FinishReason.STOP],
    ["stop_sequence", FinishReason.STOP],
    ["max_tokens", FinishReason.LENGTH],
    ["model_context_window_exceeded", FinishReason.LENGTH],
    ["tool_use", FinishReason.TOOL_CALLS],
    ["guardrail_intervened", FinishReason.CONTENT_FILTER],
    ["content_filtered", FinishReason.CONTENT_FILTER],
    ["malformed_tool_use", FinishReason.OTHER],
    ["brand_new", FinishReason.OTHER],
    [undefined, FinishReason.UNSPECIFIED],
  ])("that ended by %s", (stopReason, finishReason) => {
    expect(read({ stopReason }).response.candidates[0]).toMatchObject({ finishReason, nativeFinishReason: stopReason ?? "" });
  });

  it("tells the stop sequence that was met", () => {
    expect(read({ stopReason: "stop_sequence", additionalModelResponseFields: { stop_sequence: "END" } }).response.candidates[0]!.stopSequence).toBe("END");
    expect(read().response.candidates[0]!.stopSequence).toBeUndefined();
  });

  it("is summarized the same without being read", () => {
    const trace = { promptRouter: { invokedModelId: "arn:x" } };
    const { summary } = read({ trace });
    expect(summarizeReply(Buffer.from(JSON.stringify({ ...reply, trace })))).toEqual(summary);
    expect(summary).toMatchObject({ finishReason: "tool_use", servedModel: "arn:x", serviceTier: "priority" });
  });

  it.each(["", "{", "null", "{}", '{"output":{"message":{}}}'])("that is none is a breach of protocol: %s", (body) => {
    expect(() => readReply(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});

describe("usage", () => {
  const metersOf = (usage: object) => Object.fromEntries((readUsage(usage)?.quantities ?? []).map(({ meter, quantity }) => [nameOf(meter), quantity]));
  const nameOf = (meter: Meter) => Object.entries(Meter).find(([, value]) => value === meter)![0];

  it("stands under disjoint meters", () => {
    expect(read().summary.usage?.source).toBe(UsageSource.PROVIDER);
    expect(metersOf(reply.usage)).toEqual({ INPUT_TOKENS: 100n, CACHED_INPUT_TOKENS: 30n, CACHE_WRITE_5M_INPUT_TOKENS: 40n, CACHE_WRITE_1H_INPUT_TOKENS: 10n, OUTPUT_TOKENS: 70n });
    const { inputTokens, outputTokens, totalTokens, cacheReadInputTokens, cacheWriteInputTokens } = reply.usage;
    expect(inputTokens + outputTokens + cacheReadInputTokens + cacheWriteInputTokens).toBe(totalTokens);
  });

  it.each([
    [{ inputTokens: 5, outputTokens: 0 }, { INPUT_TOKENS: 5n, OUTPUT_TOKENS: 0n }],
    [{ inputTokens: 5, outputTokens: 1, cacheWriteInputTokens: 7 }, { INPUT_TOKENS: 5n, CACHE_WRITE_5M_INPUT_TOKENS: 7n, OUTPUT_TOKENS: 1n }],
    [{ inputTokens: -1, outputTokens: "x", cacheDetails: [null, { ttl: "1h", inputTokens: 1.5 }] }, { INPUT_TOKENS: 0n, OUTPUT_TOKENS: 0n }],
    [{}, {}],
  ])("is read as far as it is there: %j", (usage, expected) => {
    expect(metersOf(usage)).toEqual(expected);
  });
});
