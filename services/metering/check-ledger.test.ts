/** Proves that a ledger that was tampered with says so and names the row, and that sums and balances can be had back from the lines. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { CheckLedgerRequestSchema, RebuildLedgerRequestSchema } from "#gen/weir/metering/v1/ledger_pb.ts";
import { ImportPricesRequestSchema } from "#gen/weir/metering/v1/price_book_pb.ts";
import { QueryUsageRequestSchema } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { seededRandom } from "../../test/harness/random.ts";
import { seed } from "../../test/harness/seed.ts";
import { checkDay, checkHour, checkMonth } from "./check-ledger.ts";
import type { LedgerDifference } from "./domain/ledger-difference.ts";
import { foldDeltas } from "./store/fold-deltas.ts";
import { PriceVersions } from "./store/price-versions.ts";
import { rebuildRollups } from "./store/rebuild.ts";
import { startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";
import { watchLedger } from "./watch-ledger.ts";

const hourMs = 3_600_000;
const hour = { startMs: testNowMs - (testNowMs % hourMs), endMs: testNowMs - (testNowMs % hourMs) + hourMs };
const day = { startMs: Date.UTC(2026, 10, 20), endMs: Date.UTC(2026, 10, 21) };
const month = { startMs: Date.UTC(2026, 10), endMs: Date.UTC(2026, 11) };
const attemptCount = 30;

/** A ledger with corrections, a mark-up, orphans, failures and lines without a cost. */
async function startFilledMetering(): Promise<TestMetering> {
  const metering = await startTestMetering();
  const { implementation } = metering;
  const { priceVersion } = await implementation.importPrices(create(ImportPricesRequestSchema, { adjustments: [{ organizationId: "org_b", models: "*", percent: "12.5" }] }), testContext);
  const eventOf = (attempt: number, rank: UsageSource) =>
    usageEvent({
      attempt,
      rank,
      priceVersion,
      organization: attempt % 2 === 0 ? "org_a" : "org_b",
      key: `key_${attempt % 4}`,
      result: attempt % 5 === 0 ? AttemptResult.FAILED : AttemptResult.SUCCEEDED,
      usage: attempt % 7 === 0 ? null : { [Meter.INPUT_TOKENS]: BigInt(1_000 + attempt * rank), [Meter.OUTPUT_TOKENS]: BigInt(attempt) },
    });
  await metering.record(...Array.from({ length: attemptCount }, (_, attempt) => eventOf(attempt, UsageSource.ESTIMATED)));
  await metering.record(...Array.from({ length: attemptCount / 3 }, (_, index) => eventOf(index * 3, UsageSource.PROVIDER)));
  await foldDeltas(metering.database, 1_000);
  return metering;
}

async function differencesIn(queryable: Queryable): Promise<LedgerDifference[]> {
  return [...(await checkHour(queryable, new PriceVersions(), hour)).differences, ...(await checkDay(queryable, day)), ...(await checkMonth(queryable, month))];
}

/** What somebody could do to the tables; each names the place that it changed. */
const injections: readonly ((queryable: Queryable, attemptId: string) => Promise<{ rowCount: number | null }>)[] = [
  (queryable, id) => queryable.query("delete from attempts where attempt_id = $1", [id]),
  (queryable, id) => queryable.query("delete from postings where attempt_id = $1 and account like 'key:%'", [id]),
  (queryable, id) => queryable.query("delete from postings where attempt_id = $1", [id]),
  (queryable, id) => queryable.query("insert into postings select attempt_id, start_time, rank, account, organization_id, amount_nanos, price_version, post_time, 9 from postings where attempt_id = $1", [id]),
  (queryable, id) =>
    queryable.query(
      "with copied as (select (a).* from (select jsonb_populate_record(attempts, jsonb_build_object('attempt_id', overlay(attempt_id placing 'z' from 15 for 1))) as a from attempts where attempt_id = $1) as copies) insert into attempts select * from copied",
      [id],
    ),
  (queryable, id) => queryable.query("update attempts set cost_nanos = cost_nanos + 1 where attempt_id = $1", [id]),
  (queryable, id) => queryable.query("update attempts set cost_nanos = 0, charge_nanos = 0 where attempt_id = $1", [id]),
  (queryable, id) => queryable.query("update attempts set quantities[1] = quantities[1] + 1000 where attempt_id = $1", [id]),
  (queryable, id) => queryable.query("update attempts set key_id = 'key_stranger' where attempt_id = $1", [id]),
  (queryable, id) => queryable.query("update postings set amount_nanos = amount_nanos * 2 where attempt_id = $1", [id]),
  (queryable, id) => queryable.query("update postings set account = 'key:key_stranger' where attempt_id = $1 and account like 'key:%'", [id]),
  // A repricing that agrees with itself everywhere but with the price book.
  (queryable, id) =>
    queryable.query(
      `with line as (update attempts set cost_nanos = cost_nanos * 2, charge_nanos = charge_nanos * 2 where attempt_id = $1 returning *),
            posted as (update postings set amount_nanos = amount_nanos * 2 where attempt_id = $1),
            sums as (update usage_rollups r set cost_nanos = r.cost_nanos + l.cost_nanos / 2, charge_nanos = r.charge_nanos + l.charge_nanos / 2 from line l
                     where r.key_id = l.key_id and r.model = l.model and r.hour = date_trunc('hour', l.start_time, 'UTC')),
            days as (update usage_days d set cost_nanos = d.cost_nanos + l.cost_nanos / 2, charge_nanos = d.charge_nanos + l.charge_nanos / 2 from line l
                     where d.key_id = l.key_id and d.model = l.model and d.day = date_trunc('day', l.start_time, 'UTC')),
            sides as (select 'key:' || key_id as account, charge_nanos / 2 as amount from line union all select 'vendor:' || vendor, -cost_nanos / 2 from line
                      union all select 'margin:' || organization_id, (cost_nanos - charge_nanos) / 2 from line)
       update balances b set amount_nanos = b.amount_nanos + sides.amount from sides where b.account = sides.account`,
      [id],
    ),
  (queryable, id) => queryable.query("update usage_rollups set attempts = attempts + 1 where key_id = (select key_id from attempts where attempt_id = $1)", [id]),
  (queryable, id) => queryable.query("delete from usage_rollups where key_id = (select key_id from attempts where attempt_id = $1)", [id]),
  (queryable, id) => queryable.query("update usage_days set durations = durations + 1 where key_id = (select key_id from attempts where attempt_id = $1)", [id]),
  (queryable, id) => queryable.query("delete from usage_days where key_id = (select key_id from attempts where attempt_id = $1)", [id]),
  (queryable, id) => queryable.query("update balances set amount_nanos = amount_nanos + 1 where account = (select 'key:' || key_id from attempts where attempt_id = $1)", [id]),
];

class RollBack extends Error {}

test(`100 of 100 deletions, duplicates and repricings are found by WEIR_SEED=${seed}, and a ledger that nobody touched has none`, async () => {
  const { database } = await startFilledMetering();
  expect(await differencesIn(database)).toEqual([]);
  const { rows } = await database.query<{ attempt_id: string }>("select attempt_id from attempts where cost_nanos > 0 order by attempt_id");
  const random = seededRandom(seed);
  for (let n = 0; n < 100; n++) {
    const inject = injections[n % injections.length]!;
    const { attempt_id } = rows[Math.floor(random() * rows.length)]!;
    const found = await injected(database, async (transaction) => {
      const { rowCount } = await inject(transaction, attempt_id);
      expect(rowCount, `injection ${n % injections.length} of ${attempt_id}`).toBeGreaterThan(0);
    });
    expect(found, `injection ${n % injections.length} of ${attempt_id}`).not.toEqual([]);
  }
  expect(await differencesIn(database)).toEqual([]);
});

/** What the check finds after a change that is taken back again. */
async function injected(database: Database, change: (transaction: Queryable) => Promise<void>): Promise<LedgerDifference[]> {
  let found: LedgerDifference[] = [];
  await database
    .transaction(async (transaction) => {
      await change(transaction);
      found = await differencesIn(transaction);
      throw new RollBack();
    })
    .catch((error: unknown) => {
      if (!(error instanceof RollBack)) throw error;
    });
  return found;
}

test("a difference names its row and both figures", async () => {
  const { database, implementation } = await startFilledMetering();
  await database.query("update balances set amount_nanos = 5 where account = 'vendor:demo'");
  await database.query("delete from postings where attempt_id like '%2' and account like 'vendor:%'");
  const { attempts, differences } = await implementation.checkLedger(create(CheckLedgerRequestSchema), testContext);
  expect(attempts).toBe(30n);
  expect(differences.at(-1)).toMatchObject({ kind: "balance", row: "vendor:demo 2026-11", detail: expect.stringMatching(/^holds 5; its sums come to -[0-9]+$/) as string });
  expect(differences[0]).toMatchObject({ kind: "postings", row: expect.stringMatching(/^att_.*2$/) as string });
});

test("sums and balances are had back from the lines, beside events that come meanwhile", async () => {
  const metering = await startFilledMetering();
  const { database, implementation, priceVersion } = metering;
  const sums = () => database.query("select * from usage_rollups order by key_id, organization_id, model").then(({ rows }) => rows);
  const days = () => database.query("select * from usage_days order by key_id, organization_id, model").then(({ rows }) => rows);
  const balances = () => database.query("select * from balances where amount_nanos <> 0 order by account").then(({ rows }) => rows);
  const [sumsBefore, daysBefore, balancesBefore] = [await sums(), await days(), await balances()];

  await database.query("update usage_rollups set attempts = 99, quantities = '{1}' where key_id = 'key_1'");
  await database.query("delete from usage_rollups where key_id = 'key_2'");
  await database.query("update usage_days set cost_nanos = 1 where key_id = 'key_2'");
  await database.query("delete from usage_days where key_id = 'key_3'");
  await database.query("update balances set amount_nanos = 7");
  const rebuilt = await implementation.rebuildLedger(create(RebuildLedgerRequestSchema), testContext);
  expect(rebuilt).toMatchObject({ hours: 1n, rollups: BigInt(sumsBefore.length) });
  expect(await sums()).toEqual(sumsBefore);
  expect(await days()).toEqual(daysBefore);
  expect(await balances()).toEqual(balancesBefore);

  const recording = Array.from({ length: 20 }, (_, batch) => metering.record(...[0, 1, 2].map((index) => usageEvent({ attempt: 1_000 + batch * 3 + index, priceVersion, key: `key_${index}` }))));
  const rebuilding = [1, 2, 3].map(() => implementation.rebuildLedger(create(RebuildLedgerRequestSchema), testContext));
  await Promise.all([...recording, ...rebuilding]);
  expect((await implementation.checkLedger(create(CheckLedgerRequestSchema), testContext)).differences).toEqual([]);
});

test("a rebuilding that has come to an hour, or ends there, leaves days and balances as they should be", async () => {
  const metering = await startTestMetering();
  const { database, implementation, priceVersion } = metering;
  await metering.record(...Array.from({ length: 20 }, (_, attempt) => usageEvent({ attempt, priceVersion, timeMs: testNowMs - attempt * hourMs })));
  for (const at of [0, 3, 4]) await rebuildRollups(database, hour.startMs - at * hourMs, hour.endMs - at * hourMs);
  expect((await implementation.checkLedger(create(CheckLedgerRequestSchema), testContext)).differences).toEqual([]);
  expect((await implementation.queryUsage(create(QueryUsageRequestSchema, { startTime: timestampFromMs(day.startMs - 24 * hourMs), endTime: timestampFromMs(day.endMs) }), testContext)).rows).toMatchObject([{ attempts: 20n }]);
});

test("the watch checks each hour once it is over and the others in turn, and says what it finds by metric", async () => {
  const { database, priceVersion, record } = await startFilledMetering();
  await record(usageEvent({ attempt: 500, priceVersion, timeMs: testNowMs - 3 * hourMs }));
  const metrics = createMetricsRegistry();
  let nowMs = hour.startMs + hourMs / 2;
  const watch = watchLedger({ database, priceVersions: new PriceVersions(), clock: { now: () => nowMs, monotonicMs: () => 0 }, logger: createLogger("silent"), metrics });
  const counted = async (name: string) => (await metrics.getSingleMetric(name)!.get()).values.reduce((sum, { value }) => sum + value, 0);
  try {
    await database.query("update attempts set cost_nanos = cost_nanos + 1 where attempt_id like '%500'");
    await watch.look();
    expect(await counted("weir_ledger_differences_total")).toBe(0);
    // The hours before come in turn: the oldest, three hours ago, is the third.
    await watch.look();
    await watch.look();
    expect(await counted("weir_ledger_differences_total")).toBeGreaterThan(0);
    const before = await counted("weir_ledger_differences_total");

    await database.query("delete from usage_rollups where key_id = 'key_3'");
    nowMs = hour.endMs + 2 * 60_000;
    await watch.look();
    expect(await counted("weir_ledger_differences_total")).toBeGreaterThan(before);
  } finally {
    await watch.stop();
  }
});
