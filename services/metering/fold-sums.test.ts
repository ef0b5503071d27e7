/** Proves that folding changes where sums stand and not what they are, whoever folds, and that nobody has to ask for it. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { CheckLedgerRequestSchema } from "#gen/weir/metering/v1/ledger_pb.ts";
import { QueryUsageRequestSchema, UsageDimension } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { foldDeltas } from "./store/fold-deltas.ts";
import { startMeteringOn, startTestMetering, testContext, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

const hourMs = 3_600_000;
const firstDayMs = Date.UTC(2026, 10, 16);

async function report({ implementation }: TestMetering) {
  return implementation.queryUsage(create(QueryUsageRequestSchema, { groupByLabels: ["application"], withLatency: true }), testContext);
}

async function differences({ implementation }: TestMetering) {
  return (await implementation.checkLedger(create(CheckLedgerRequestSchema), testContext)).differences;
}

async function unfolded({ database }: TestMetering): Promise<bigint> {
  const { rows } = await database.query<{ count: bigint }>("select count(*) from usage_deltas");
  return rows[0]!.count;
}

test("reports and checks see the same before, between and after folds, corrections and latencies too", async () => {
  const metering = await startTestMetering();
  const { database, priceVersion } = metering;
  const eventOf = (attempt: number, rank: UsageSource, durationMs: bigint) =>
    usageEvent({ attempt, rank, durationMs, priceVersion, key: `key_${attempt % 3}`, labels: { application: `app_${attempt % 2}` }, usage: { [Meter.INPUT_TOKENS]: BigInt(attempt), [attempt % 2 === 0 ? Meter.IMAGES : Meter.OUTPUT_TOKENS]: 7n } });
  for (let batch = 0; batch < 4; batch++) {
    await metering.record(...Array.from({ length: 10 }, (_, index) => eventOf(batch * 10 + index, UsageSource.ESTIMATED, 100n)));
    // Corrections of what is folded, and of what is not.
    await metering.record(...Array.from({ length: 5 }, (_, index) => eventOf(batch * 8 + index, UsageSource.PROVIDER, 9_000n)));
    const before = await report(metering);
    expect(await differences(metering)).toEqual([]);
    await foldDeltas(database, 3);
    expect(await report(metering)).toEqual(before);
    expect(await differences(metering)).toEqual([]);
  }
  const before = await report(metering);
  const other = await startMeteringOn(database);
  const folded = await Promise.all(Array.from({ length: 6 }, () => foldDeltas(database, 10)));
  expect(folded.reduce((sum, count) => sum + count)).toBeLessThan(60);
  expect(await unfolded(other)).toBe(0n);
  expect(await report(metering)).toEqual(before);
  expect(await differences(metering)).toEqual([]);
  expect(before.rows).toMatchObject([{ attempts: 20n, duration: { p50Ms: 96n } }, { attempts: 20n }]);
});

test("a report over any period is the same by hour and by day, folded or not", async () => {
  const metering = await startTestMetering();
  const { database, priceVersion, record } = metering;
  const attempts = Array.from({ length: 120 }, (_, attempt) => usageEvent({ attempt, priceVersion, key: `key_${attempt % 3}`, durationMs: BigInt(attempt * 50), timeMs: firstDayMs + ((attempt * 37) % 96) * hourMs }));
  await record(...attempts.slice(0, 80));
  while ((await foldDeltas(database, 25)) > 0);
  await record(...attempts.slice(80));
  await foldDeltas(database, 10);

  for (const [from, until] of [[0, 96], [0, 24], [1, 24], [23, 49], [5, 19], [20, 30], [7, 95]] as const) {
    const period = { startTime: timestampFromMs(firstDayMs + from * hourMs), endTime: timestampFromMs(firstDayMs + until * hourMs) };
    const asked = async (groupBy: UsageDimension[], withLatency = false) =>
      (await metering.implementation.queryUsage(create(QueryUsageRequestSchema, { ...period, groupBy, withLatency, pageSize: 1_000 }), testContext)).rows;
    const byHour = await asked([UsageDimension.KEY, UsageDimension.HOUR]);
    const expected = Map.groupBy(byHour, ({ group }) => `${group[0]} ${group[1]!.slice(0, 10)}`);
    const byDay = await asked([UsageDimension.KEY, UsageDimension.DAY], true);
    expect(new Map(byDay.map(({ group, attempts, costNanos }) => [group.join(" "), [attempts, costNanos]]))).toEqual(
      new Map([...expected].map(([group, rows]) => [group, [rows.reduce((sum, { attempts }) => sum + attempts, 0n), rows.reduce((sum, { costNanos }) => sum + costNanos, 0n)]])),
    );
    const started = attempts.filter((_, attempt) => (attempt * 37) % 96 >= from && (attempt * 37) % 96 < until).length;
    expect(byDay.reduce((sum, { attempts: counted }) => sum + counted, 0n)).toBe(BigInt(started));
  }
  expect(await differences(metering)).toEqual([]);
});

test("what is posted is folded by itself", async () => {
  const metering = await startTestMetering();
  await metering.record(usageEvent({ priceVersion: metering.priceVersion }));
  await expect.poll(() => unfolded(metering)).toBe(0n);
  const { rows } = await metering.database.query("select account, amount_nanos from balances where amount_nanos <> 0 order by account");
  expect(rows).toEqual([{ account: "key:key_a", amount_nanos: 1_400_000n }, { account: "vendor:demo", amount_nanos: -1_400_000n }]);
});
