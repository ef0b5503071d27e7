/** Owns CheckBudgets. */
import { create } from "@bufbuild/protobuf";
import { CheckBudgetsResponseSchema, type CheckBudgetsResponse } from "#gen/weir/policy/v1/budget_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { differencesOf } from "../../store/budget-check.ts";
import { compareWithLedger } from "../../store/ledger-check.ts";

export async function checkBudgets({ requestId, signal }: CallContext, { database, peers }: PolicyDependencies): Promise<CheckBudgetsResponse> {
  const byLedger = await compareWithLedger(database, peers, { identity: { kind: "service", name: "policy" }, requestId, signal });
  return create(CheckBudgetsResponseSchema, { ...(await differencesOf(database)), ...byLedger });
}
