/** Owns AcquireLease. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { AcquireLeaseResponseSchema, LeaseScopeSchema, type AcquireLeaseRequest, type AcquireLeaseResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { LeaseDesk } from "../../lease-desk.ts";

export async function acquireLease(request: AcquireLeaseRequest, { signal }: CallContext, desk: LeaseDesk): Promise<AcquireLeaseResponse> {
  const { maxWait, wantedNanos, leastNanos, floorNanos, holderId, organizationId, keyId, labels } = request;
  const call = { holderId, organizationId, keyId, labels, leastNanos, floorNanos, wantedNanos, maxWaitMs: maxWait === undefined ? 0 : durationMs(maxWait), signal };
  const { leaseId, amountNanos = 0n, lifeMs, scope, short } = await desk.acquire(call);
  return create(AcquireLeaseResponseSchema, {
    leaseId,
    amountNanos,
    life: durationFromMs(Math.max(0, Math.floor(lifeMs!))),
    scope: create(LeaseScopeSchema, scope),
    clampedBy: short?.name ?? "",
  });
}
