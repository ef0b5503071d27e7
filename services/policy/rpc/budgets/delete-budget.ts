/** Owns DeleteBudget. */
import { create } from "@bufbuild/protobuf";
import { DeleteBudgetResponseSchema, type DeleteBudgetRequest, type DeleteBudgetResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkChangeable } from "../../domain/budget-terms.ts";
import { changeableBy } from "../../domain/reach.ts";
import type { LeaseDesk } from "../../lease-desk.ts";
import { deleteBudgetById, findBudget } from "../../store/budgets.ts";

/** Repeatable by itself. */
export async function deleteBudget({ budgetId }: DeleteBudgetRequest, { identity }: CallContext, { database }: PolicyDependencies, desk: LeaseDesk): Promise<DeleteBudgetResponse> {
  const budget = await findBudget(database, budgetId, changeableBy(identity));
  checkChangeable(budget);
  await deleteBudgetById(database, budget.id);
  desk.lookAgain();
  return create(DeleteBudgetResponseSchema);
}
