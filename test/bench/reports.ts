/** Owns the measurement of reports: a month of attempts is generated, its sums are rebuilt as `weir ledger rebuild` does, and queries are timed. WEIR_BENCH_ATTEMPTS says how many, default 10,000,000. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { RebuildLedgerRequestSchema } from "#gen/weir/metering/v1/ledger_pb.ts";
import { QueryUsageRequestSchema, UsageDimension } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { openDatabase } from "#platform/database/database.ts";
import { startPostgresServer } from "#platform/database/postgres-server.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { createMeteringService, migrationsDirectory } from "../../services/metering/service.ts";
import { Partitions } from "../../services/metering/store/partitions.ts";

const attempts = Number(process.env["WEIR_BENCH_ATTEMPTS"] ?? 10_000_000);
const [days, organizations, keys, runs] = [30, 20, 200, 50];
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

// The lines have no postings and made-up prices, which the ledger's own check would tell of.
const logger = createLogger("silent");
const dataDirectory = await mkdtemp(join(tmpdir(), "weir-reports-"));
const server = await startPostgresServer({ dataDirectory, logger });
try {
  const database = await openDatabase({ connection: server.administration, schema: "metering", migrationsDirectory, logger });
  const endMs = Math.floor(Date.now() / hourMs) * hourMs;
  const startMs = endMs - days * dayMs;
  const labels = ["application"];
  const metering = await createMeteringService({ database, config: new MutableLiveValue({ prices: new Map(), lostJournalAfterMs: 900_000, labels }), clock: systemClock, logger, metrics: createMetricsRegistry() });
  const { implementation } = metering;
  const context = { identity: { kind: "service" as const, name: "bench" }, requestId: "", signal: new AbortController().signal };

  await new Partitions(database).ensure(Array.from({ length: days + 1 }, (_, day) => startMs + day * dayMs));
  await timed("generated", async () => {
    for (let hour = 0; hour < days * 24; hour++) await generate(startMs + hour * hourMs, Math.round(attempts / (days * 24)), hour);
    await database.query("analyze attempts");
  });
  await timed("rebuilt", async () => {
    await implementation.rebuildLedger(create(RebuildLedgerRequestSchema), context);
    await database.query("analyze usage_rollups, usage_days");
  });
  const { rows } = await database.query<{ attempts: bigint; sums: bigint; size: string }>(
    "select (select count(*) from attempts) as attempts, (select count(*) from usage_rollups) as sums, pg_size_pretty(pg_database_size(current_database())) as size",
  );
  console.log(`${rows[0]!.attempts} attempts, ${rows[0]!.sums} sums, ${rows[0]!.size}`);

  type Query = MessageInitShape<typeof QueryUsageRequestSchema>;
  const period = (lastDays: number): Query => ({ startTime: timestampFromMs(endMs - lastDays * dayMs), endTime: timestampFromMs(endMs) });
  const { ORGANIZATION, KEY, MODEL, DAY, HOUR } = UsageDimension;
  const queries: Readonly<Record<string, Query>> = {
    "a day, total": period(1),
    "a day by hour": { ...period(1), groupBy: [HOUR] },
    "a day by key and model": { ...period(1), groupBy: [KEY, MODEL] },
    "a week of one organization by day": { ...period(7), groupBy: [DAY], organizationId: "org_3" },
    "a month of one organization by key": { ...period(30), groupBy: [KEY], organizationId: "org_3" },
    "a month of one organization by day and model": { ...period(30), groupBy: [DAY, MODEL], organizationId: "org_3" },
    "a month of one organization by hour": { ...period(30), groupBy: [HOUR], organizationId: "org_3" },
    "a month of one organization by application": { ...period(30), groupByLabels: labels, organizationId: "org_3" },
    "a month of one organization by model, with latencies": { ...period(30), groupBy: [MODEL], organizationId: "org_3", withLatency: true },
    "a month of one key by day": { ...period(30), groupBy: [DAY], keyId: "key_7" },
    "a month by organization": { ...period(30), groupBy: [ORGANIZATION] },
    "a month by day": { ...period(30), groupBy: [DAY] },
    "a month by model, with latencies": { ...period(30), groupBy: [MODEL], withLatency: true },
    "a month by key, with latencies": { ...period(30), groupBy: [KEY], withLatency: true },
  };
  for (const [name, query] of Object.entries(queries)) await measure(name, () => implementation.queryUsage(create(QueryUsageRequestSchema, query), context));
  await measure("the newest 100 attempts of one organization", () => implementation.listAttempts(create(ListAttemptsRequestSchema, { organizationId: "org_3" }), context));
  await measure("the attempts of one request", () => implementation.listAttempts(create(ListAttemptsRequestSchema, { requestId: "req_100_7" }), context));
  await metering.stop();
  await database.close();

  /** The attempts of one hour, spread over it; each key belongs to one organization and has two models. */
  async function generate(fromMs: number, count: number, hour: number): Promise<void> {
    await database.query(
      `with numbered as (select n, $1::int8 + n::int8 * ${hourMs} / $2 as ms, (n * 7919 + $3) % ${keys} as key, n * 31 % 2 as second from generate_series(0, $2 - 1) as n)
       insert into attempts (attempt_id, start_time, organization_id, team_id, key_id, request_id, route, provider, vendor, model, operation, is_stream, price_version, rank, result,
         usage_source, quantities, finish_reason, error_reason, http_status, upstream_request_id, served_model, service_tier, first_byte_ms, duration_ms, cost_nanos, charge_nanos, is_unpriced, report_labels)
       select 'att_' || ${idTime("ms")} || lpad(n::text, 16, '0'), to_timestamp(ms / 1000.0), 'org_' || key % ${organizations}, 'team_' || key % ${organizations * 2}, 'key_' || key, 'req_' || $3 || '_' || n,
         'chat', 'openai', 'openai', 'gpt-' || (key + second) % 8, 'generate', true, 'pri_bench', 4, case when n % 50 = 0 then 2 else 1 end,
         4, array[n % 5000, 0, 0, 0, n % 700]::int8[], 'stop', '', 200, 'chatcmpl-' || $3 || '-' || n, '', 'default', 100 + n % 400, 500 + n % 9000, n % 5000 * 1000, n % 5000 * 1000, false,
         '{"application": "app_' || key % 3 || '"}'
       from numbered`,
      [fromMs, count, hour],
    );
  }

  function idTime(ms: string): string {
    return Array.from({ length: 10 }, (_, digit) => `substr('0123456789abcdefghjkmnpqrstvwxyz', ((${ms} >> ${(9 - digit) * 5}) & 31)::int + 1, 1)`).join(" || ");
  }
} finally {
  await server.stop();
  await rm(dataDirectory, { recursive: true });
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const startedMs = performance.now();
  await work();
  console.log(`${what} in ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`);
}

async function measure(name: string, ask: () => Promise<unknown>): Promise<void> {
  await ask();
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const startedMs = performance.now();
    await ask();
    times.push(performance.now() - startedMs);
  }
  times.sort((left, right) => left - right);
  const at = (share: number): string => times[Math.min(runs - 1, Math.floor(share * runs))]!.toFixed(1);
  console.log(`${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}
