/** Proves that folding changes where sums stand and not what they are, whoever folds, and that nobody has to ask for it. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CheckLedgerRequestSchema, QueryUsageRequestSchema } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { foldDeltas } from "./store/fold-deltas.ts";
import { startMeteringOn, startTestMetering, testContext, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

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

test("what is posted is folded by itself", async () => {
  const metering = await startTestMetering();
  await metering.record(usageEvent({ priceVersion: metering.priceVersion }));
  await expect.poll(() => unfolded(metering)).toBe(0n);
  const { rows } = await metering.database.query("select account, amount_nanos from balances where amount_nanos <> 0 order by account");
  expect(rows).toEqual([{ account: "key:key_a", amount_nanos: 1_400_000n }, { account: "vendor:demo", amount_nanos: -1_400_000n }]);
});
