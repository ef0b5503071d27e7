/** Owns what a change in the ledger means for the lease under which the attempt was made. */
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { LineChange, LineFigures, LineIdentity } from "./ledger.ts";

export interface LeaseDelta {
  readonly leaseId: string;
  readonly organizationId: string;
  readonly attemptId: string;
  readonly deltaNanos: bigint;
}

/** One for each change of an attempt under a lease that changes what budgets count. */
export function leaseDeltasOf(changes: readonly LineChange[]): LeaseDelta[] {
  const deltas: LeaseDelta[] = [];
  for (const { identity, figures, previous } of changes) {
    const { leaseId, organizationId, attemptId } = identity;
    if (leaseId === "") continue;
    const deltaNanos = countedNanos(identity, figures) - (previous === undefined ? 0n : countedNanos(identity, previous));
    if (deltaNanos !== 0n) deltas.push({ leaseId, organizationId, attemptId, deltaNanos });
  }
  return deltas;
}

/** Whether the attempt is charged more than was held for it, and was not before. */
export function outgrowsHold({ identity: { leaseId, boundNanos }, figures, previous }: LineChange): boolean {
  const isAbove = (chargeNanos = 0n): boolean => chargeNanos > boundNanos;
  return leaseId !== "" && isAbove(figures.chargeNanos) && !isAbove(previous?.chargeNanos);
}

/** What budgets count: the charge; while that is unknown, all that it can be. */
function countedNanos({ boundNanos }: LineIdentity, { chargeNanos, result }: LineFigures): bigint {
  return chargeNanos ?? (result === AttemptResult.NOT_SENT ? 0n : boundNanos);
}
