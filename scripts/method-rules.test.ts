/** Owns the proof that a method without its rule is found. */
import { expect, test } from "vitest";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { missingRules } from "./method-rules.ts";

test("a method without a rule is named with all that it lacks", () => {
  expect(missingRules([InferenceService, Health])).toContain(
    "grpc.health.v1.Health.Check: its option (weir.types.v1.rule) lacks exposure, permission, audit; see proto/README.md",
  );
});

test("a method with a whole rule is not", () => {
  expect(missingRules([InferenceService])).toEqual([]);
});
