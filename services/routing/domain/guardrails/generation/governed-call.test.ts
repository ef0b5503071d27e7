import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GuardrailRuleSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { Bound } from "../../budget/bound.ts";
import type { Call } from "../../call.ts";
import type { Target } from "../../targets/plan.ts";
import { CallGuard } from "../call-guard.ts";
import { compiledRule } from "../compiled-rules.ts";
import { governedCall } from "./governed-call.ts";

const bound: Bound = {
  quantities: [{ meters: [Meter.INPUT_TOKENS], quantity: 50n }, { meters: [Meter.AUDIO_MILLISECONDS], quantity: 5n }],
  output: { meters: [Meter.OUTPUT_TOKENS], candidates: 4n, maximumTokens: 9_000n, leastTokens: 1n },
  advice: "",
};
const generation = create(GenerationSchema, { maxOutputTokens: 9_000n, candidateCount: 4 });
const callFor = (asked: object): Call => ({ operation: "generate", boundAt: () => bound, generation: () => ({ generation: asked, unknownFields: [] }) }) as unknown as Call;
const under = (rule: object, asked: object = generation): Call => governedCall(callFor(asked), new CallGuard([compiledRule(create(GuardrailRuleSchema, { name: "r", ...rule }))], () => undefined), () => Promise.resolve(undefined));
const at = (maxOutputTokens?: bigint): Target => ({ model: "m", provider: { modelFacts: { m: { maxOutputTokens } } } }) as unknown as Target;
const nowhere = at();

test("what a budget holds is what goes to the vendor: with the instructions, and within the caps", () => {
  const { quantities } = under({ mode: "instruct", instruction: { text: "é".repeat(100) } }).boundAt(nowhere);
  expect(quantities.map(({ quantity }) => quantity)).toEqual([50n + 200n + 64n, 5n]);
  expect(under({ mode: "clamp", caps: { maxOutputTokens: 100n, maxCandidates: 2 } }).boundAt(nowhere)).toEqual({ ...bound, output: { ...bound.output, maximumTokens: 100n, candidates: 2n } });
  expect(under({ mode: "shadow", caps: { maxOutputTokens: 100n, maxCandidates: 2 } }).boundAt(nowhere)).toEqual(bound);
});

test("a caller who states no maximum has the cap, where the model's own is not below it", () => {
  const { maxOutputTokens: _maximum, ...unstated } = generation;
  const capped = under({ mode: "clamp", caps: { maxOutputTokens: 100n } }, unstated);
  expect([undefined, 50n, 100n, 200n].map((own) => capped.boundAt(at(own)).output!.maximumTokens)).toEqual([100n, 9_000n, 9_000n, 100n]);
});

test("a call that no rule is about is left as it is", () => {
  const call = callFor(generation);
  const guard = new CallGuard([compiledRule(create(GuardrailRuleSchema, { name: "r", mode: "block", detectors: ["email"] }))], () => undefined);
  expect(governedCall(call, guard, () => Promise.resolve(undefined))).toBe(call);
});
