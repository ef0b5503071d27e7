/** Owns RoutingService.TestGuardrail. */
import { create } from "@bufbuild/protobuf";
import { GuardrailFindSchema, TestGuardrailResponseSchema, type GuardrailFind, type TestGuardrailRequest, type TestGuardrailResponse } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { compilePattern } from "#platform/linear-pattern.ts";
import { compiledRule } from "../domain/guardrails/compiled-rules.ts";
import { Placeholders } from "../domain/guardrails/placeholders.ts";
import { TextStream } from "../domain/guardrails/text-stream.ts";

/** Throws INVALID_REQUEST for a pattern that RE2 does not have. */
export function testGuardrail({ rule, text }: TestGuardrailRequest): TestGuardrailResponse {
  for (const pattern of rule!.patterns) compilePattern(pattern);
  const finds: GuardrailFind[] = [];
  const placeholders = new Placeholders();
  const stream = new TextStream(
    compiledRule(rule!).detectors.map(({ name, detector }) => ({
      detector,
      onFind: (found) => finds.push(create(GuardrailFindSchema, { detector: name, text: found })),
      replacementFor: (found) => placeholders.for(detector.label, found),
    })),
  );
  const maskedText = stream.push(text) + stream.end();
  return create(TestGuardrailResponseSchema, { finds, maskedText });
}
