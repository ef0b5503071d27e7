/** Owns CheckLedger: what does not agree, over a period. */
import { create } from "@bufbuild/protobuf";
import { CheckLedgerResponseSchema, LedgerDifferenceSchema, type CheckLedgerRequest, type CheckLedgerResponse } from "#gen/weir/metering/v1/ledger_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { checkLedger as check } from "../../check-ledger.ts";
import type { PriceVersions } from "../../store/price-versions.ts";
import { hoursAsked } from "../usage/hours-asked.ts";

const maximumDifferences = 1_000;

export async function checkLedger(database: Database, priceVersions: PriceVersions, request: CheckLedgerRequest, signal: AbortSignal): Promise<CheckLedgerResponse> {
  const period = await hoursAsked(database, request);
  if (period === undefined) return create(CheckLedgerResponseSchema);
  const { attempts, differences } = await check(database, priceVersions, period, maximumDifferences, signal);
  return create(CheckLedgerResponseSchema, { attempts: BigInt(attempts), differences: differences.map((difference) => create(LedgerDifferenceSchema, difference)) });
}
