/** Owns TransferBudget. */
import { create } from "@bufbuild/protobuf";
import { TransferBudgetRequestSchema, TransferBudgetResponseSchema, type Budget, type TransferBudgetRequest, type TransferBudgetResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { BudgetAlerts } from "../../budget-alerts.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkValue } from "../../domain/budget-terms.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import type { LeaseDesk } from "../../lease-desk.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { transferBetween } from "../../store/budget-entries.ts";
import type { Crossing } from "../../store/budget-crossings.ts";
import { ensureCurrentPeriod, findPeriodUsage, lockBudget } from "../../store/budgets.ts";
import { nameOf } from "../caller.ts";

export async function transferBudget(request: TransferBudgetRequest, { identity }: CallContext, { database }: PolicyDependencies, desk: LeaseDesk, alerts: BudgetAlerts): Promise<TransferBudgetResponse> {
  const { fromBudgetId, fromLabelValue, toBudgetId, toLabelValue, amountNanos, note, requestId } = request;
  const tenant = changeableBy(identity);
  const { response, crossings } = await database.transaction(async (transaction) => {
    // In the order of their ids, so that no two transfers wait for each other.
    const budgets = new Map<string, Budget>();
    for (const id of [fromBudgetId, toBudgetId].toSorted()) budgets.set(id, await lockBudget(transaction, id, tenant));
    const [giver, taker] = [budgets.get(fromBudgetId)!, budgets.get(toBudgetId)!];
    checkValue("from_label_value", giver.subject, fromLabelValue);
    checkValue("to_label_value", taker.subject, toLabelValue);
    if (giver.organizationId !== taker.organizationId) throw new GatewayError("INVALID_REQUEST", "The budgets are of two organizations, between which nothing is transferred. Choose another one.");
    const fromId = await ensureCurrentPeriod(transaction, giver.id, fromLabelValue);
    const toId = await ensureCurrentPeriod(transaction, taker.id, toLabelValue);
    if (fromId === toId) throw new GatewayError("INVALID_REQUEST", "A budget transfers nothing to itself. Choose another one.");
    const answeredId = await claimRequest(transaction, { method: "TransferBudget", identity, requestId, input: inputOf(TransferBudgetRequestSchema, request), resultId: giver.id });
    let crossings: Crossing[] = [];
    if (answeredId === undefined) {
      await transferBetween(transaction, fromId, toId, amountNanos, { note, enteredBy: nameOf(identity) });
      crossings = await alerts.noteOfBudgets(transaction, [giver.id]);
    }
    return { response: create(TransferBudgetResponseSchema, { from: await findPeriodUsage(transaction, fromId), to: await findPeriodUsage(transaction, toId) }), crossings };
  });
  alerts.announce(crossings);
  desk.lookAgain();
  return response;
}
