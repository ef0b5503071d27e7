/** Owns CheckBudgets. */
import { create } from "@bufbuild/protobuf";
import { CheckBudgetsResponseSchema, type CheckBudgetsResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import type { PolicyDependencies } from "../dependencies.ts";
import { differencesOf } from "../store/budget-check.ts";

export async function checkBudgets({ database }: PolicyDependencies): Promise<CheckBudgetsResponse> {
  return create(CheckBudgetsResponseSchema, await differencesOf(database));
}
