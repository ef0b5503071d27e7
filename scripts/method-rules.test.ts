/** Owns the proof that a method without its rule is found. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { CreateKeyResponseSchema } from "#gen/weir/policy/v1/key_pb.ts";
import { AuditClass, Exposure, MethodRuleSchema, Permission, Tenancy } from "#gen/weir/types/v1/method_pb.ts";
import { missingInRule, missingRules } from "./method-rules.ts";

test("a method without a rule is named with all that it lacks", () => {
  expect(missingRules([InferenceService, Health])).toContain(
    "grpc.health.v1.Health.Check: its option (weir.types.v1.rule) lacks exposure, permission, audit; see proto/README.md",
  );
});

test("a method with a whole rule is not", () => {
  expect(missingRules([InferenceService])).toEqual([]);
});

test("an admin method that does not say whose tenancy it is of is named", () => {
  const rule = create(MethodRuleSchema, { exposure: Exposure.ADMIN, permission: Permission.USAGE_READ, audit: AuditClass.READ });
  expect(missingInRule(MeteringService.method.queryUsage, rule)).toEqual(["tenancy"]);
  expect(missingInRule(InferenceService.method.generate, { ...rule, tenancy: Tenancy.REQUEST })).toEqual([expect.stringContaining("organization_id")]);
});

test("a secret that would stand in the audit log is named, and a change that is a stream", () => {
  const rule = create(MethodRuleSchema, { exposure: Exposure.ADMIN, permission: Permission.USAGE_READ, audit: AuditClass.WRITE, tenancy: Tenancy.OWNER });
  expect(missingInRule({ methodKind: "unary", input: CreateKeyResponseSchema }, rule)).toEqual([expect.stringContaining("debug_redact of CreateKeyResponse.secret")]);
  expect(missingInRule(MeteringService.method.watchUsage, rule)).toEqual([expect.stringContaining("stream")]);
  expect(missingInRule({ methodKind: "unary", input: ConfigSchema }, rule)).toEqual([]);
});
