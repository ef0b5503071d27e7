/** Owns the sums of what the cache of replies did, and their part in reports. */
import type { Database, Queryable } from "#platform/database/database.ts";
import { batchParameters, batchRelation, type Column } from "./batch-statement.ts";
import { rollupCounts, rollupHistograms, usageKeys } from "./computed-sums.ts";

/** One use, by what sums are kept. */
export interface CountedUse {
  readonly timeMs: number;
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly route: string;
  readonly provider: string;
  readonly vendor: string;
  readonly model: string;
  readonly reportLabels: string;
  readonly hit: boolean;
}

const columns: readonly Column<CountedUse>[] = [
  { name: "time", type: "timestamptz", value: ({ timeMs }) => new Date(timeMs).toISOString() },
  { name: "organization_id", type: "text", value: ({ organizationId }) => organizationId },
  { name: "team_id", type: "text", value: ({ teamId }) => teamId },
  { name: "key_id", type: "text", value: ({ keyId }) => keyId },
  { name: "route", type: "text", value: ({ route }) => route },
  { name: "provider", type: "text", value: ({ provider }) => provider },
  { name: "vendor", type: "text", value: ({ vendor }) => vendor },
  { name: "model", type: "text", value: ({ model }) => model },
  { name: "report_labels", type: "text", value: ({ reportLabels }) => reportLabels },
  { name: "hit", type: "boolean", value: ({ hit }) => hit },
];

/** Adds the uses of a sender's request to the sums, unless it was told before. */
export function countCacheUses(database: Database, senderId: string, sequence: bigint, uses: readonly CountedUse[]): Promise<void> {
  return database.transaction(async (transaction) => {
    if (!(await isNews(transaction, senderId, sequence))) return;
    const parameters = batchParameters(columns, uses);
    await transaction.query(addTo("cache_hours", "hour"), parameters);
    await transaction.query(addTo("cache_days", "day"), parameters);
  });
}

async function isNews(transaction: Queryable, senderId: string, sequence: bigint): Promise<boolean> {
  // Those that have ended tell nothing again.
  if (sequence === 1n) await transaction.query("delete from cache_senders where told_time < now() - interval '1 day'");
  const { rowCount } = await transaction.query(
    `insert into cache_senders as known (sender_id, sequence) values ($1, $2)
     on conflict (sender_id) do update set sequence = excluded.sequence, told_time = now() where known.sequence < excluded.sequence`,
    [senderId, sequence],
  );
  return rowCount === 1;
}

/** In the order of the key, so that senders wait for each other and never in a circle. */
function addTo(table: string, time: "hour" | "day"): string {
  const keys = [time, ...usageKeys].join(", ");
  return `
    insert into ${table} as sums (${keys}, cache_hits, cache_misses)
    select date_trunc('${time}', time, 'UTC') as ${time}, ${usageKeys.join(", ")}, count(*) filter (where hit), count(*) filter (where not hit)
    from ${batchRelation(columns)} group by ${keys} order by ${keys}
    on conflict (${keys}) do update set cache_hits = sums.cache_hits + excluded.cache_hits, cache_misses = sums.cache_misses + excluded.cache_misses`;
}

/** A query for sums of attempts (`usageOf` in usage-report.ts, by days from $2 to $3, and by hours from $1 to $4 beside them), with what the cache did in the same time. */
export function withCacheUses(attempts: string, withLatency: boolean): string {
  const histograms = withLatency ? Object.keys(rollupHistograms) : [];
  const noAttempts = [...Object.keys(rollupCounts).map(() => "0"), "'{}'::int8[]", ...histograms.map(() => "0::numeric")];
  const uses = (table: string, time: "hour" | "day", from: number, until: number): string =>
    `union all select ${[time, ...usageKeys, ...noAttempts].join(", ")}, cache_hits, cache_misses from ${table} where ${time} >= $${from}::timestamptz and ${time} < $${until}::timestamptz`;
  return `select *, 0::int8 as cache_hits, 0::int8 as cache_misses from (${attempts}) as attempts
    ${uses("cache_days", "day", 2, 3)} ${uses("cache_hours", "hour", 1, 2)} ${uses("cache_hours", "hour", 3, 4)}`;
}
