/** Owns ListBudgetUsage. */
import { create } from "@bufbuild/protobuf";
import { ListBudgetUsageResponseSchema, type ListBudgetUsageRequest, type ListBudgetUsageResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { visibleTo } from "../../domain/reach.ts";
import { findBudget, selectPeriods } from "../../store/budgets.ts";

export async function listBudgetUsage(request: ListBudgetUsageRequest, { identity }: CallContext, { database }: PolicyDependencies): Promise<ListBudgetUsageResponse> {
  const { id } = await findBudget(database, request.budgetId, visibleTo(identity));
  const scope = ["budget usage", id];
  const page = readPage(request, scope, 1);
  const { entries, nextPageToken } = cutPage(await selectPeriods(database, id, page), page, scope, ({ periodId }) => [periodId]);
  return create(ListBudgetUsageResponseSchema, { usage: entries.map(({ usage }) => usage), nextPageToken });
}
