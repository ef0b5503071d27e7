/** Owns TestBudgetAlerts. */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { TestBudgetAlertsResponseSchema, type TestBudgetAlertsRequest, type TestBudgetAlertsResponse } from "#gen/weir/policy/v1/budget_alert_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { AlertDestinations } from "../../alert-destinations.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { Undelivered } from "../../domain/alert-destination.ts";
import { testMessage } from "../../domain/alert-message.ts";

export async function testBudgetAlerts({ destination }: TestBudgetAlertsRequest, { signal }: CallContext, { clock, logger }: PolicyDependencies, destinations: AlertDestinations): Promise<TestBudgetAlertsResponse> {
  try {
    await destinations.send(destination, testMessage(`crossing_test_${randomUUID()}`, clock.now()), signal);
    return create(TestBudgetAlertsResponseSchema);
  } catch (error) {
    if (!(error instanceof Undelivered)) throw error;
    logger.warn({ destination, error }, "a destination of alerts was tried, and did not take one");
    return create(TestBudgetAlertsResponseSchema, { problem: error.message });
  }
}
