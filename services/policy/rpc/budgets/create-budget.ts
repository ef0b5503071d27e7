/** Owns CreateBudget. */
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { BudgetShortage, BudgetSubjectSchema, CreateBudgetRequestSchema, CreateBudgetResponseSchema, type CreateBudgetRequest, type CreateBudgetResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkBudget } from "../../domain/budget-terms.ts";
import { readName } from "../../domain/names.ts";
import { visibleTo } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findBudget, insertBudget } from "../../store/budgets.ts";
import { allPeriods, type RecallFeed } from "../../store/recall-feed.ts";

export async function createBudget(request: CreateBudgetRequest, { identity }: CallContext, { database, clock }: PolicyDependencies, recalls: RecallFeed): Promise<CreateBudgetResponse> {
  const { organizationId, requestId, subject, limitNanos, period, rollingWindow, timeZone, enforcement, shortage, alertPercents } = request;
  const name = readName(request.name);
  checkBudget(request);
  const id = newId("bud", clock);
  const budget = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateBudget", identity, requestId, input: inputOf(CreateBudgetRequestSchema, request), resultId: id });
    if (answeredId === undefined) {
      await insertBudget(transaction, {
        id,
        organizationId,
        name,
        subject: subject ?? create(BudgetSubjectSchema),
        limitNanos,
        period,
        rollingWindowMs: rollingWindow === undefined ? 0 : durationMs(rollingWindow),
        timeZone: timeZone || "UTC",
        enforcement,
        shortage: shortage || BudgetShortage.REFUSE,
        alertPercents,
      });
    }
    return findBudget(transaction, answeredId ?? id, visibleTo(identity));
  });
  // What holders have was taken without it.
  await recalls.recall(organizationId, allPeriods);
  return create(CreateBudgetResponseSchema, { budget });
}
