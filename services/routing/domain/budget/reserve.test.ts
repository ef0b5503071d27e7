import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Target } from "../targets/plan.ts";
import { reserve } from "./reserve.ts";

type ErrorReason = GatewayError["reason"];

const target: Target = { name: "up/m", provider: create(ProviderSchema), model: "m" } as Target;
const context = { grant: create(GrantSchema), labels: {}, signal: AbortSignal.timeout(60_000), deadlineMs: 0 };

/** What a call hears whose cost has no bound, where policy says this of its budgets. */
async function reasonOf(said: ErrorReason | "none applies"): Promise<ErrorReason | undefined> {
  const hold = () => {
    if (said !== "none applies") throw new GatewayError(said, "");
    return { leaseId: "", bound: { nanos: 0n, outputTokens: undefined }, clampedBy: "", startWithinMs: 1, spent: () => undefined };
  };
  const unbounded = () => {
    throw new GatewayError("UNBOUNDED_COST", "");
  };
  return reserve(unbounded, false, target, context, { holds: { hold }, rates: () => ({}) as never }).then(() => undefined, (error: GatewayError) => error.reason);
}

test("a cost without a bound is refused where a budget applies, even one with nothing left; where policy cannot say, that is the reason", async () => {
  expect(await reasonOf("none applies")).toBeUndefined();
  expect(await reasonOf("BUDGET_EXCEEDED")).toBe("UNBOUNDED_COST");
  expect(await reasonOf("DEPENDENCY_UNAVAILABLE")).toBe("DEPENDENCY_UNAVAILABLE");
});
