/** Owns RoutingService.TestGuardrail. */
import { create } from "@bufbuild/protobuf";
import { GuardrailFindSchema, TestGuardrailResponseSchema, type GuardrailFind, type TestGuardrailRequest, type TestGuardrailResponse } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { compilePattern } from "#platform/linear-pattern.ts";
import { compiledRule } from "../domain/guardrails/compiled-rules.ts";
import { Placeholders } from "../domain/guardrails/placeholders.ts";
import { TextStream } from "../domain/guardrails/text-stream.ts";
import { topicWatch } from "../domain/guardrails/topics.ts";

/** Throws INVALID_REQUEST for a pattern that RE2 does not have. */
export function testGuardrail({ rule, text }: TestGuardrailRequest): TestGuardrailResponse {
  for (const pattern of rule!.patterns) compilePattern(pattern);
  const finds: GuardrailFind[] = [];
  const placeholders = new Placeholders();
  const { detectors, topics } = compiledRule(rule!);
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
  return create(TestGuardrailResponseSchema, { finds, maskedText });
}
