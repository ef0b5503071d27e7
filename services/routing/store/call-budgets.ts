/** Owns asking policy which budgets count a call. */
import { create } from "@bufbuild/protobuf";
import { ListCallBudgetsRequestSchema, type CallBudget } from "#gen/weir/policy/v1/lease_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import type { HoldContext } from "../domain/budget/hold.ts";

const identity = { kind: "service", name: "routing" } as const;

export async function budgetsOfCall(policy: Pick<ServiceInterface<typeof PolicyService>, "listCallBudgets">, { grant, labels, signal }: HoldContext): Promise<readonly CallBudget[]> {
  const { organizationId, keyId } = grant;
  const { budgets } = await policy.listCallBudgets(create(ListCallBudgetsRequestSchema, { organizationId, keyId, labels: { ...labels } }), { identity, requestId: "", signal });
  return budgets;
}
