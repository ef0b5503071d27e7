/** Owns the proof that no dialect leaves tokens out of the usage that it writes. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Meter, UsageSchema, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { writeUsage as writeAnthropic } from "./anthropic/usage.ts";
import { writeUsage as writeGemini } from "./gemini/usage.ts";
import { writeUsage as writeOllama } from "./ollama/reply.ts";
import { writeUsage as writeResponses } from "./openai-responses/usage.ts";
import { writeUsage as writeOpenai } from "./openai/usage.ts";

const meters = Object.entries(Meter).flatMap(([name, meter]) => (name.endsWith("_TOKENS") && typeof meter === "number" ? [{ name, meter }] : []));
const usageOf = (meter: Meter): Usage => create(UsageSchema, { quantities: [{ meter, quantity: 7n }] });
const sum = (counts: unknown, ...members: readonly string[]): number => members.reduce((total, member) => total + (counts as Record<string, number>)[member]!, 0);

const inputAndOutput: Readonly<Record<string, (usage: Usage) => readonly [input: number, output: number]>> = {
  openai: (usage) => [sum(writeOpenai(usage), "prompt_tokens"), sum(writeOpenai(usage), "completion_tokens")],
  "openai-responses": (usage) => [sum(writeResponses(usage), "input_tokens"), sum(writeResponses(usage), "output_tokens")],
  anthropic: (usage) => [sum(writeAnthropic(usage), "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), sum(writeAnthropic(usage), "output_tokens")],
  gemini: (usage) => [sum(writeGemini(usage), "promptTokenCount"), sum({ thoughtsTokenCount: 0, ...writeGemini(usage) }, "candidatesTokenCount", "thoughtsTokenCount")],
  ollama: (usage) => [sum(writeOllama(usage), "prompt_eval_count"), sum(writeOllama(usage), "eval_count")],
};

test.each(Object.keys(inputAndOutput).flatMap((dialect) => meters.map(({ name, meter }) => [dialect, name, meter] as const)))("%s counts %s", (dialect, name, meter) => {
  expect(inputAndOutput[dialect]!(usageOf(meter))).toEqual(name.includes("OUTPUT") ? [0, 7] : [7, 0]);
});
