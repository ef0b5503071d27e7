import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { noReply } from "./reply.ts";
import { timesOf, tokensOf, whatCacheDid, whoAnswered, whyEnded } from "./reply-words.ts";

const usageOf = (quantities: readonly (readonly [Meter, bigint])[], source: UsageSource = UsageSource.PROVIDER): Usage => create(UsageSchema, { source, quantities: quantities.map(([meter, quantity]) => ({ meter, quantity })) });

test.each([
  ["all that was reported", usageOf([[Meter.INPUT_TOKENS, 8n], [Meter.CACHED_INPUT_TOKENS, 4n], [Meter.OUTPUT_TOKENS, 20n], [Meter.REASONING_OUTPUT_TOKENS, 10n]]), "12 in (4 cached), 30 out (10 reasoning)"],
  ["no part that is nothing", usageOf([[Meter.INPUT_TOKENS, 8n]]), "8 in, 0 out"],
  ["whose count it is", usageOf([[Meter.INPUT_TOKENS, 8n], [Meter.OUTPUT_TOKENS, 1n]], UsageSource.ESTIMATED), "8 in, 1 out, counted by Weir"],
  ["that nothing was", undefined, "not reported"],
])("tokens say %s", (_, usage, words) => {
  expect(tokensOf({ ...noReply, ending: "answered", usage })).toBe(words);
});

test("nothing is said of what is not known yet, or was broken off", () => {
  expect([whoAnswered(noReply), whyEnded(noReply), tokensOf(noReply), tokensOf({ ...noReply, ending: "stopped" }), timesOf(noReply), whatCacheDid(noReply)]).toEqual(["", "", "", "", "", ""]);
});

test("a vendor's own name of the model is said where it is another", () => {
  expect(whoAnswered({ ...noReply, target: "openai/gpt", model: "gpt" })).toBe("openai/gpt");
  expect(whoAnswered({ ...noReply, target: "openai/gpt", model: "gpt-2026" })).toBe("openai/gpt, as gpt-2026");
});

test("words that a newer Weir has are shown as they are", () => {
  expect(whyEnded({ ...noReply, finishReason: 99 as FinishReason })).toBe("reason 99");
  expect(whatCacheDid({ ...noReply, cacheState: "warm" })).toBe("warm");
  expect(whyEnded({ ...noReply, finishReason: FinishReason.TOOL_CALLS })).toBe("tool calls");
});
