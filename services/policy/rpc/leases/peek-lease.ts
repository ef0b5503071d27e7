/** Owns PeekLease. */
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { PeekLeaseResponseSchema, type PeekLeaseRequest, type PeekLeaseResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { budgetExceeded, patienceMs } from "../../domain/shortage.ts";
import { leaseLifeMs } from "../../lease-desk.ts";
import { acquireLeases } from "../../store/leases.ts";
import { undone } from "../../store/undone.ts";

export async function peekLease({ lease }: PeekLeaseRequest, { database, clock }: PolicyDependencies): Promise<PeekLeaseResponse> {
  const { organizationId, keyId, holderId, labels, leastNanos, floorNanos, maxWait } = lease!;
  const maxWaitMs = maxWait === undefined ? 0 : durationMs(maxWait);
  const need = { leaseId: newId("lea", clock), holderId, keyId, labels, leastNanos, floorNanos, wantedNanos: leastNanos, canWait: maxWaitMs > 0 };
  const answers = await undone(database, (transaction) => acquireLeases(transaction, organizationId, leaseLifeMs, [need]));
  const { amountNanos, lifeMs, short } = answers[0]!;
  if (lifeMs === undefined) throw new GatewayError("KEY_INVALID", "There is no such key in the organization.");
  if (amountNanos !== undefined) return create(PeekLeaseResponseSchema, { isBudgeted: true, amountNanos, clampedBy: short?.name ?? "" });
  if (short === undefined) return create(PeekLeaseResponseSchema);
  if (short.shortage !== BudgetShortage.WAIT || patienceMs(short, leastNanos, maxWaitMs) === 0) throw budgetExceeded(short, leastNanos);
  return create(PeekLeaseResponseSchema, { isBudgeted: true, waitsFor: short.name });
}
