/** Owns RetryBudgetAlerts. */
import { create } from "@bufbuild/protobuf";
import { RetryBudgetAlertsResponseSchema, type RetryBudgetAlertsRequest, type RetryBudgetAlertsResponse } from "#gen/weir/policy/v1/budget_alert_pb.ts";
import type { AlertCourier } from "../../alert-courier.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { reviveDeliveries } from "../../store/alert-deliveries.ts";

export async function retryBudgetAlerts({ destination }: RetryBudgetAlertsRequest, { database }: PolicyDependencies, courier: AlertCourier): Promise<RetryBudgetAlertsResponse> {
  const count = await reviveDeliveries(database, destination);
  courier.ring();
  return create(RetryBudgetAlertsResponseSchema, { count: BigInt(count) });
}
