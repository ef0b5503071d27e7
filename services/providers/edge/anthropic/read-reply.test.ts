import type { Message } from "@anthropic-ai/sdk/resources/messages";
import type { BetaUsage } from "@anthropic-ai/sdk/resources/beta/messages";
import { describe, expect, it } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { anthropicVendor } from "./anthropic-vendor.ts";
import { message, toBytes, usage } from "./fixtures.ts";
import { AnthropicStreamReader } from "./stream-reader.ts";
import { mergeUsage, readUsage, type UsageJson } from "./usage.ts";

const read = (changes: Partial<Message>) => anthropicVendor.generate.readReply(Buffer.from(JSON.stringify({ ...message, ...changes })));

/** Meters by name, those that are zero included only where they stand. */
function metersOf(read: Usage | undefined): Record<string, bigint> | undefined {
  const names = new Map<number, string>(Object.entries(Meter).map(([name, value]) => [value, name]));
  return read && Object.fromEntries(read.quantities.map(({ meter, quantity }) => [names.get(meter) ?? "?", quantity]));
}

const allMeters = {
  INPUT_TOKENS: 100n,
  CACHED_INPUT_TOKENS: 30n,
  CACHE_WRITE_5M_INPUT_TOKENS: 40n,
  CACHE_WRITE_1H_INPUT_TOKENS: 10n,
  OUTPUT_TOKENS: 50n,
  REASONING_OUTPUT_TOKENS: 20n,
  WEB_SEARCHES: 2n,
};

describe("a whole reply", () => {
  it("becomes parts in order, with what types do not know in its own JSON", () => {
    const { response } = read({});
    const parts = response.candidates[0]!.message!.parts;
    expect(parts.map(({ kind }) => kind.case)).toEqual(["reasoning", "reasoning", "native", "native", "text", "toolCall", "toolCall"]);
    expect(parts[0]!.kind.value).toMatchObject({ text: "Let me see…", signature: "c2ln" });
    expect(parts[1]!.kind.value).toMatchObject({ text: "", redactedData: "b3BhcXVl" });
    expect(parts[4]!.kind.value).toMatchObject({ citations: [{ citedText: "the sky is blue", title: "Skies", documentIndex: 1 }] });
    expect(parts[5]!.kind.value).toMatchObject({ id: "toolu_1", name: "paint", arguments: '{"colour":"blau 🎨"}' });
    expect(response).toMatchObject({ id: "msg_1", model: "claude-opus-5-5", serviceTier: "priority" });
  });

  it.each([
    [{ service_tier: "standard", speed: "standard", inference_geo: "global" }, "standard"],
    [{ service_tier: "standard", inference_geo: "us" }, "standard_us"],
    [{ service_tier: "standard", speed: "fast" }, "fast"],
    [{ service_tier: "standard", speed: "fast", inference_geo: "us" }, "fast_us"],
    [{ service_tier: null, inference_geo: "not_available" }, ""],
  ])("with %j in its usage is priced as %j, and read as what Anthropic calls its tier", (said, priced) => {
    const reply = { ...message, usage: { ...message.usage, ...said } };
    const { response, summary } = anthropicVendor.generate.readReply(Buffer.from(JSON.stringify(reply)));
    expect([summary.serviceTier, response.serviceTier]).toEqual([priced, said.service_tier ?? undefined]);
    const reader = new AnthropicStreamReader();
    const splitter = new SseSplitter();
    const start = { type: "message_start", message: reply };
    for (const event of splitter.push(toBytes([start]))) reader.read(event);
    expect(reader.summary.serviceTier).toBe(priced);
  });

  it("is summed up the same with and without types", () => {
    const body = Buffer.from(JSON.stringify(message));
    const { summary } = anthropicVendor.generate.readReply(body);
    expect(anthropicVendor.generate.summarizeReply(body)).toEqual(summary);
    expect(summary).toMatchObject({ finishReason: "tool_use", servedModel: "claude-opus-5-5", serviceTier: "priority" });
    expect(metersOf(summary.usage)).toEqual(allMeters);
  });

  it.each([
    ["end_turn", FinishReason.STOP],
    ["stop_sequence", FinishReason.STOP],
    ["max_tokens", FinishReason.LENGTH],
    ["model_context_window_exceeded", FinishReason.LENGTH],
    ["tool_use", FinishReason.TOOL_CALLS],
    ["pause_turn", FinishReason.PAUSE],
    ["refusal", FinishReason.REFUSAL],
  ] as const)("says why it ended: %s", (stopReason, finishReason) => {
    expect(read({ stop_reason: stopReason, stop_sequence: "END" }).response.candidates[0]).toMatchObject({ finishReason, nativeFinishReason: stopReason, stopSequence: "END" });
  });

  it("passes on a reason nobody knows yet", () => {
    expect(read({ stop_reason: "tired" as "refusal" }).response.candidates[0]).toMatchObject({ finishReason: FinishReason.OTHER, nativeFinishReason: "tired" });
  });

  it("gives the explanation of a refusal as the model's refusal", () => {
    const { response } = read({ content: [], stop_reason: "refusal", stop_details: { type: "refusal", category: "cyber", explanation: "No." } });
    expect(response.candidates[0]!.message!.parts.map(({ kind }) => kind)).toMatchObject([{ case: "refusal", value: { text: "No." } }]);
  });

  it("keeps the digits of long whole numbers in tool arguments", () => {
    const text = JSON.stringify(message).replace('"blau 🎨"', "12345678901234567890");
    const part = anthropicVendor.generate.readReply(Buffer.from(text)).response.candidates[0]!.message!.parts[5]!;
    expect(part.kind.value).toMatchObject({ arguments: '{"colour":12345678901234567890}' });
  });

  it.each(["", "{", "[]", "null", '{"type":"error"}'])("is refused when it is none: %s", (text) => {
    for (const reader of [anthropicVendor.generate.readReply, anthropicVendor.generate.summarizeReply]) {
      expect(() => reader(Buffer.from(text))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
    }
  });
});

describe("usage", () => {
  it("is absent when nothing was reported, and says zero when zero was", () => {
    expect(readUsage(undefined)).toBeUndefined();
    expect(readUsage({})).toBeUndefined();
    expect(metersOf(readUsage({ input_tokens: 0, output_tokens: 0 }))).toEqual({ INPUT_TOKENS: 0n, OUTPUT_TOKENS: 0n });
  });

  it("books cache writes without a split as the default of five minutes", () => {
    expect(metersOf(readUsage({ ...usage, cache_creation: null }))).toMatchObject({ CACHE_WRITE_5M_INPUT_TOKENS: 50n });
  });

  it("replaces figures by later ones and keeps those that a later event leaves out", () => {
    const merged = mergeUsage(usage, { input_tokens: null, output_tokens: 90, cache_read_input_tokens: 35 });
    expect(metersOf(readUsage(merged))).toEqual({ ...allMeters, OUTPUT_TOKENS: 70n, CACHED_INPUT_TOKENS: 35n });
  });

  it("adds turns that are billed beside the totals", () => {
    const turn = { cache_creation: null, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, input_tokens: 1000, output_tokens: 7 };
    const iterations = [{ ...turn, type: "compaction" }] satisfies BetaUsage["iterations"];
    expect(metersOf(readUsage({ ...usage, iterations }))).toEqual({ ...allMeters, INPUT_TOKENS: 1100n, OUTPUT_TOKENS: 57n });
  });

  it.each([-1, 1.5, "7", Number.NaN, 2 ** 60])("counts nothing where the figure is none: %s", (figure) => {
    expect(metersOf(readUsage({ input_tokens: figure, output_tokens: 1 } satisfies UsageJson))).toEqual({ INPUT_TOKENS: 0n, OUTPUT_TOKENS: 1n });
  });
});
