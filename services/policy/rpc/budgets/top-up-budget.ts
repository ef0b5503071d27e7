/** Owns TopUpBudget. */
import { create } from "@bufbuild/protobuf";
import { TopUpBudgetRequestSchema, TopUpBudgetResponseSchema, type TopUpBudgetRequest, type TopUpBudgetResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkValue } from "../../domain/budget-terms.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import type { LeaseDesk } from "../../lease-desk.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { topUpPeriod } from "../../store/budget-entries.ts";
import { ensureCurrentPeriod, findPeriodUsage, lockBudget } from "../../store/budgets.ts";
import { nameOf } from "../caller.ts";

export async function topUpBudget(request: TopUpBudgetRequest, { identity }: CallContext, { database }: PolicyDependencies, desk: LeaseDesk): Promise<TopUpBudgetResponse> {
  const { budgetId, labelValue, amountNanos, note, requestId } = request;
  const usage = await database.transaction(async (transaction) => {
    const { subject } = await lockBudget(transaction, budgetId, changeableBy(identity));
    checkValue("label_value", subject, labelValue);
    const periodId = await ensureCurrentPeriod(transaction, budgetId, labelValue);
    const answeredId = await claimRequest(transaction, { method: "TopUpBudget", identity, requestId, input: inputOf(TopUpBudgetRequestSchema, request), resultId: budgetId });
    if (answeredId === undefined) await topUpPeriod(transaction, periodId, amountNanos, { note, enteredBy: nameOf(identity) });
    return findPeriodUsage(transaction, periodId);
  });
  desk.lookAgain();
  return create(TopUpBudgetResponseSchema, { usage });
}
