/** Owns ListBudgetAlerts. */
import { create } from "@bufbuild/protobuf";
import { ListBudgetAlertsResponseSchema, type ListBudgetAlertsRequest, type ListBudgetAlertsResponse } from "#gen/weir/policy/v1/budget_alert_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { selectAlerts } from "../../store/alert-deliveries.ts";

export async function listBudgetAlerts(request: ListBudgetAlertsRequest, { database }: PolicyDependencies): Promise<ListBudgetAlertsResponse> {
  const scope = ["budget alerts", request.organizationId];
  const page = readPage(request, scope, 1);
  const { entries, nextPageToken } = cutPage(await selectAlerts(database, request.organizationId, page), page, scope, ({ number }) => [number]);
  return create(ListBudgetAlertsResponseSchema, { alerts: entries.map(({ alert }) => alert), nextPageToken });
}
