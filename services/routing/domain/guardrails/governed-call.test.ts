import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GuardrailRuleSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { Bound } from "../budget/bound.ts";
import type { Call } from "../pipeline.ts";
import type { Target } from "../plan.ts";
import { CallGuard } from "./call-guard.ts";
import { compiledRule } from "./compiled-rules.ts";
import { governedCall } from "./governed-call.ts";

const bound: Bound = {
  quantities: [{ meters: [Meter.INPUT_TOKENS], quantity: 50n }, { meters: [Meter.AUDIO_MILLISECONDS], quantity: 5n }],
  output: { meters: [Meter.OUTPUT_TOKENS], candidates: 4n, maximumTokens: 9_000n, leastTokens: 1n },
  advice: "",
};
const generation = create(GenerationSchema, { maxOutputTokens: 9_000n, candidateCount: 4 });
const call = { operation: "generate", boundAt: () => bound, generation: () => ({ generation, unknownFields: [] }) } as unknown as Call;
const under = (rule: object): Call => governedCall(call, new CallGuard([compiledRule(create(GuardrailRuleSchema, { name: "r", ...rule }))], () => undefined), () => Promise.resolve(undefined));
const nowhere = {} as Target;

test("what a budget holds is what goes to the vendor: with the instructions, and within the caps", () => {
  const { quantities } = under({ mode: "instruct", instruction: { text: "é".repeat(100) } }).boundAt(nowhere);
  expect(quantities.map(({ quantity }) => quantity)).toEqual([50n + 200n + 64n, 5n]);
  expect(under({ mode: "clamp", caps: { maxOutputTokens: 100n, maxCandidates: 2 } }).boundAt(nowhere)).toEqual({ ...bound, output: { ...bound.output, maximumTokens: 100n, candidates: 2n } });
  expect(under({ mode: "shadow", caps: { maxOutputTokens: 100n, maxCandidates: 2 } }).boundAt(nowhere)).toEqual(bound);
});

test("a call that no rule is about is left as it is", () => {
  expect(under({ mode: "block", detectors: ["email"] })).toBe(call);
});
