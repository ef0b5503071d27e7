/** Owns ListBudgets. */
import { create } from "@bufbuild/protobuf";
import { ListBudgetsResponseSchema, type ListBudgetsRequest, type ListBudgetsResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { selectBudgets } from "../../store/budgets.ts";

export async function listBudgets(request: ListBudgetsRequest, { database }: PolicyDependencies): Promise<ListBudgetsResponse> {
  const scope = ["budgets", request.organizationId];
  const page = readPage(request, scope, 2);
  const found = await selectBudgets(database, request.organizationId, page);
  const { entries, nextPageToken } = cutPage(found, page, scope, ({ name, id }) => [name, id]);
  return create(ListBudgetsResponseSchema, { budgets: entries, nextPageToken });
}
