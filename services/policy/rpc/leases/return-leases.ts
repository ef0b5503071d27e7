/** Owns ReturnLeases. */
import { create } from "@bufbuild/protobuf";
import { ReturnLeasesResponseSchema, type ReturnLeasesRequest, type ReturnLeasesResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import type { LeaseDesk } from "../../lease-desk.ts";
import { returnLeases as settleReturned } from "../../store/leases.ts";

export async function returnLeases({ holderId, leases }: ReturnLeasesRequest, { database }: PolicyDependencies, desk: LeaseDesk): Promise<ReturnLeasesResponse> {
  await settleReturned(database, holderId, leases);
  desk.lookAgain();
  return create(ReturnLeasesResponseSchema);
}
