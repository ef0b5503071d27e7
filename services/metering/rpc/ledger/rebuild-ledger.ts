/** Owns RebuildLedger: sums and balances computed anew from the lines, an hour a transaction. */
import { create } from "@bufbuild/protobuf";
import { RebuildLedgerResponseSchema, type RebuildLedgerRequest, type RebuildLedgerResponse } from "#gen/weir/metering/v1/ledger_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { daysOf, hoursOf, monthsOf } from "../../domain/ledger-difference.ts";
import { rebuildBalances, rebuildDays, rebuildRollups } from "../../store/rebuild.ts";
import { hoursAsked } from "../usage/hours-asked.ts";

export async function rebuildLedger(database: Database, request: RebuildLedgerRequest, signal: AbortSignal): Promise<RebuildLedgerResponse> {
  const period = await hoursAsked(database, request);
  const response = create(RebuildLedgerResponseSchema);
  if (period === undefined) return response;
  for (const { startMs, endMs } of hoursOf(period)) {
    signal.throwIfAborted();
    response.rollups += BigInt(await rebuildRollups(database, startMs, endMs));
    response.hours++;
  }
  for (const { startMs, endMs } of daysOf(period)) {
    signal.throwIfAborted();
    await rebuildDays(database, startMs, endMs);
  }
  for (const { startMs, endMs } of monthsOf(period)) response.balances += BigInt(await rebuildBalances(database, startMs, endMs));
  return response;
}
