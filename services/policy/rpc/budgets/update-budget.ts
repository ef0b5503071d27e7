/** Owns UpdateBudget. */
import { create } from "@bufbuild/protobuf";
import { BudgetShortage, UpdateBudgetRequestSchema, UpdateBudgetResponseSchema, type Budget, type UpdateBudgetRequest, type UpdateBudgetResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { BudgetAlerts } from "../../budget-alerts.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkChangeable } from "../../domain/budget-terms.ts";
import { readName } from "../../domain/names.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import type { LeaseDesk } from "../../lease-desk.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import type { Crossing } from "../../store/budget-crossings.ts";
import { findBudget, lockBudget, updateBudgetRow } from "../../store/budgets.ts";
import { allPeriods, type RecallFeed } from "../../store/recall-feed.ts";

export async function updateBudget(request: UpdateBudgetRequest, { identity }: CallContext, { database }: PolicyDependencies, recalls: RecallFeed, desk: LeaseDesk, alerts: BudgetAlerts): Promise<UpdateBudgetResponse> {
  const { budgetId, requestId } = request;
  const tenant = changeableBy(identity);
  const { budget, crossings } = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "UpdateBudget", identity, requestId, input: inputOf(UpdateBudgetRequestSchema, request), resultId: budgetId });
    let crossings: Crossing[] = [];
    if (answeredId === undefined) {
      const present = await lockBudget(transaction, budgetId, tenant);
      checkChangeable(present);
      await updateBudgetRow(transaction, present, { ...present, ...changesOf(request) });
      crossings = await alerts.noteOfBudgets(transaction, [present.id]);
    }
    return { budget: await findBudget(transaction, budgetId, tenant), crossings };
  });
  alerts.announce(crossings);
  // There may be more room, or less than leases were made by.
  await recalls.recall(budget.organizationId, allPeriods);
  desk.lookAgain();
  return create(UpdateBudgetResponseSchema, { budget });
}

/** What the mask names, as the request has it. */
function changesOf({ updateMask, name, limitNanos, enforcement, shortage, alertPercents }: UpdateBudgetRequest): Partial<Budget> {
  const paths = updateMask?.paths ?? [];
  return {
    ...(paths.includes("name") && { name: readName(name) }),
    ...(paths.includes("limit_nanos") && { limitNanos }),
    ...(paths.includes("enforcement") && { enforcement }),
    ...(paths.includes("shortage") && { shortage: shortage || BudgetShortage.REFUSE }),
    ...(paths.includes("alert_percents") && { alertPercents }),
  };
}
