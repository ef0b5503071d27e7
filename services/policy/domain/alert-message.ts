/** Owns what is sent of an alert: the same bytes to every destination, and each time. */
import { create, toJson } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BudgetAlertSchema, type BudgetAlert } from "#gen/weir/policy/v1/budget_alert_pb.ts";

export interface AlertMessage {
  readonly id: string;
  readonly organizationId: string;
  /** JSON, as Standard Webhooks recommends: `type`, `timestamp`, `data`. */
  readonly body: string;
}

export function alertMessage(alert: BudgetAlert): AlertMessage {
  return messageOf("budget.threshold_reached", alert);
}

/** An alert of a budget that there is not, for trying a destination. */
export function testMessage(id: string, nowMs: number): AlertMessage {
  const alert = create(BudgetAlertSchema, {
    id,
    organizationId: "org_test",
    organization: "test",
    budgetId: "bud_test",
    budget: "test",
    percent: 80,
    limitNanos: 100_000_000_000n,
    postedNanos: 80_000_000_000n,
    reachTime: timestampFromMs(nowMs),
  });
  return messageOf("budget.test", alert);
}

function messageOf(type: string, alert: BudgetAlert): AlertMessage {
  const { id, organizationId, reachTime } = alert;
  return { id, organizationId, body: JSON.stringify({ type, timestamp: timestampDate(reachTime!).toISOString(), data: toJson(BudgetAlertSchema, alert) }) };
}
