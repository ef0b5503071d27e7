/** Owns SumLeases: what the ledger has of leases, for policy to compare with its own books. */
import { create } from "@bufbuild/protobuf";
import { SumLeasesResponseSchema, type SumLeasesRequest, type SumLeasesResponse } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { selectLeaseSums } from "../../store/lease-postings.ts";

export async function sumLeases(database: Database, { leaseIds }: SumLeasesRequest): Promise<SumLeasesResponse> {
  return create(SumLeasesResponseSchema, { sums: await selectLeaseSums(database, leaseIds) });
}
