/** Owns what rate limits have counted: slices of windows, and permits for calls at one time, by the database's clock. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { PermitLeaseSchema, RateSliceSchema, type PermitDraw, type PermitLease, type RateDraw, type RateSlice } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { preparedStatement } from "#platform/database/prepared-statement.ts";

/** How long permits are good unless they are drawn again. */
export const permitLeaseMs = 15_000;

/** The limits that may have no counter more. */
export type FullLimits = readonly string[];

const drawRateSlices = preparedStatement("SELECT granted, window_time, window_rest_ms, remaining FROM draw_rates($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ORDER BY place");

export async function drawRates(database: Queryable, holderId: string, draws: readonly RateDraw[], full: FullLimits): Promise<RateSlice[]> {
  if (draws.length === 0) return [];
  const { rows } = await database.query<SliceRow>(drawRateSlices, [
    holderId,
    full,
    draws.map(({ rateLimitId }) => rateLimitId),
    draws.map(({ counter }) => Buffer.from(counter)),
    draws.map(({ amount }) => amount),
    draws.map(({ window }) => window!.seconds),
    draws.map(({ need }) => need),
    draws.map(({ want }) => want),
    draws.map(({ debt }) => debt),
    draws.map(({ credit }) => credit),
    draws.map(({ creditWindowTime }) => creditWindowTime && timestampDate(creditWindowTime)),
  ]);
  return rows.map(({ granted, window_time, window_rest_ms, remaining }) =>
    create(RateSliceSchema, { granted, windowTime: timestampFromDate(window_time), windowRest: durationFromMs(Math.max(0, Math.floor(window_rest_ms))), remaining }),
  );
}

const drawPermitLeases = preparedStatement("SELECT granted, remaining FROM draw_permits($1, $2, make_interval(secs => $3), $4, $5, $6, $7, $8) ORDER BY place");

export async function drawPermits(database: Queryable, holderId: string, draws: readonly PermitDraw[], full: FullLimits): Promise<PermitLease[]> {
  if (draws.length === 0) return [];
  const { rows } = await database.query<PermitRow>(drawPermitLeases, [
    holderId,
    full,
    permitLeaseMs / 1000,
    draws.map(({ rateLimitId }) => rateLimitId),
    draws.map(({ counter }) => Buffer.from(counter)),
    draws.map(({ amount }) => amount),
    draws.map(({ running }) => running),
    draws.map(({ want }) => want),
  ]);
  return rows.map(({ granted, remaining }) => create(PermitLeaseSchema, { granted, remaining }));
}

/** Forgets what says nothing any more; returns the limits that have as many counters as one may have. */
export async function sweepCounters(database: Queryable, mostCounters: number): Promise<FullLimits> {
  await forgetExpired(database, "rate_permits");
  await forgetExpired(database, "rate_counters");
  const { rows } = await database.query<{ rate_limit_id: string }>("SELECT rate_limit_id FROM rate_counters GROUP BY rate_limit_id HAVING count(*) >= $1", [mostCounters]);
  return rows.map((row) => row.rate_limit_id);
}

/** Who draws waits for one statement no longer than a moment. */
const forgottenAtOnce = 1_000;

/** Leaves for the next time what somebody draws from: whoever does holds several rows while waiting for others, so each would wait for the other. */
async function forgetExpired(database: Queryable, table: "rate_permits" | "rate_counters"): Promise<void> {
  const statement = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE expire_time < clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED))`;
  let forgotten: number | null;
  do ({ rowCount: forgotten } = await database.query(statement, [forgottenAtOnce]));
  while (forgotten === forgottenAtOnce);
}

interface SliceRow {
  granted: bigint;
  window_time: Date;
  window_rest_ms: number;
  remaining: bigint;
}

interface PermitRow {
  granted: bigint;
  remaining: bigint;
}
