/** Owns RoutingService.TestGuardrail. */
import { create } from "@bufbuild/protobuf";
import { GuardrailFindSchema, TestGuardrailResponseSchema, type GuardrailFind, type TestGuardrailRequest, type TestGuardrailResponse } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { compilePattern } from "#platform/linear-pattern.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { authorizePlan } from "../domain/admission/admit.ts";
import { compiledRule } from "../domain/guardrails/compiled-rules.ts";
import { changedText } from "../domain/guardrails/outside/outside-guard.ts";
import { Placeholders } from "../domain/guardrails/texts/placeholders.ts";
import { TextStream } from "../domain/guardrails/texts/text-stream.ts";
import { topicWatch } from "../domain/guardrails/detectors/topics.ts";
import type { PipelineDependencies } from "../domain/pipeline.ts";
import { planEveryTarget } from "../domain/targets/plan.ts";
import { grantOf } from "./inference-dependencies.ts";

/** Throws INVALID_REQUEST for a pattern that RE2 does not have, MODEL_NOT_ALLOWED for a model that the caller may not use, and what keeps others who judge from doing so. */
export async function testGuardrail({ rule, text }: TestGuardrailRequest, context: CallContext, { askOutside, view }: Pick<PipelineDependencies, "askOutside" | "view">): Promise<TestGuardrailResponse> {
  for (const pattern of rule!.patterns) compilePattern(pattern);
  const { detectors, topics, check } = compiledRule(rule!);
  const finds: GuardrailFind[] = [];
  const placeholders = new Placeholders();
  const note = (detector: string, found: string): number => finds.push(create(GuardrailFindSchema, { detector, text: found }));
  const stream = new TextStream([
    ...detectors.map(({ name, detector }) => ({
      detector,
      onFind: (found: string) => note(name, found),
      replacementFor: (found: string) => placeholders.for(detector.label, found),
    })),
    ...topics.map((topic) => topicWatch(topic, (term) => note(`topic:${topic.name}`, term))),
  ]);
  const maskedText = stream.push(text) + stream.end();
  if (check === undefined || maskedText.trim() === "") return create(TestGuardrailResponseSchema, { finds, maskedText });
  const { requestId, signal, deadlineMs } = context;
  const grant = grantOf(context);
  if (check.judge.case !== "plugin") authorizePlan(check.judge.value.model, planEveryTarget(check.judge.value.model, view()), grant);
  const call = { requestId, grant, model: "", operation: "generate" as const, labels: {}, signal, deadlineMs: deadlineMs! };
  const judgement = await askOutside(check, { rule: rule!.name, side: "input", texts: [maskedText], call });
  const change = judgement.verdict === "mask" ? judgement.changes.get(0) : undefined;
  return create(TestGuardrailResponseSchema, {
    finds,
    maskedText: change === undefined ? maskedText : changedText(maskedText, change, (label, found) => placeholders.for(label, found)),
    judgement: { check: check.name, verdict: judgement.verdict, reason: "reason" in judgement ? judgement.reason : "" },
  });
}
