/** Owns ListCallBudgets. */
import { create } from "@bufbuild/protobuf";
import { ListCallBudgetsResponseSchema, type ListCallBudgetsRequest, type ListCallBudgetsResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { selectCallBudgets } from "../../store/call-budgets.ts";
import { undone } from "../../store/undone.ts";

export async function listCallBudgets({ organizationId, keyId, labels }: ListCallBudgetsRequest, { database }: PolicyDependencies): Promise<ListCallBudgetsResponse> {
  return create(ListCallBudgetsResponseSchema, { budgets: await undone(database, (transaction) => selectCallBudgets(transaction, organizationId, keyId, labels)) });
}
