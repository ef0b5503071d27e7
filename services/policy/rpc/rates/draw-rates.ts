/** Owns DrawRates. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DrawRatesResponseSchema, type DrawRatesRequest, type DrawRatesResponse } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { drawPermits, drawRates as drawSlices, permitLeaseMs } from "../../store/rate-counters.ts";
import type { CounterSweep } from "../../store/counter-sweep.ts";

export async function drawRates({ holderId, rates, permits }: DrawRatesRequest, { database }: { readonly database: Queryable }, { full }: CounterSweep): Promise<DrawRatesResponse> {
  const [slices, leases] = await Promise.all([drawSlices(database, holderId, rates, full), drawPermits(database, holderId, permits, full)]);
  return create(DrawRatesResponseSchema, { rates: slices, permits: leases, lease: durationFromMs(permitLeaseMs) });
}
