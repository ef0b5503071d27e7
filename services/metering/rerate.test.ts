/** Proves re-rating: adjusting entries only, once for each id, foreseen before, and kept by whatever corrects a line later. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { ImportPricesRequestSchema } from "#gen/weir/metering/v1/price_book_pb.ts";
import { RerateUsageRequestSchema } from "#gen/weir/metering/v1/rerating_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { reconcile, startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

const hourMs = 3_600_000;
const usage = { [Meter.INPUT_TOKENS]: 1_000_000n };

async function importInput({ implementation }: TestMetering, input: string): Promise<string> {
  const { priceVersion } = await implementation.importPrices(create(ImportPricesRequestSchema, { prices: [{ name: "demo/demo-chat", price: { input } }], adjustments: [{ organizationId: "org_b", models: "*", percent: "10" }] }), testContext);
  return priceVersion;
}

function rerate({ implementation }: TestMetering, request: MessageInitShape<typeof RerateUsageRequestSchema>) {
  const period = { startTime: timestampFromMs(testNowMs - hourMs), endTime: timestampFromMs(testNowMs + hourMs) };
  return implementation.rerateUsage(create(RerateUsageRequestSchema, { rerateId: "march", ...period, ...request }), testContext);
}

async function costs({ implementation }: TestMetering) {
  const { attempts } = await implementation.listAttempts(create(ListAttemptsRequestSchema), testContext);
  return attempts.toReversed().map(({ costNanos }) => costNanos);
}

test("a period is rated again by adjusting entries, as foreseen, once for each id", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  await metering.record(
    usageEvent({ attempt: 1, priceVersion, usage, timeMs: testNowMs - 2 * hourMs }),
    usageEvent({ attempt: 2, priceVersion, usage }),
    usageEvent({ attempt: 3, priceVersion, usage, organization: "org_b", key: "key_b" }),
    usageEvent({ attempt: 4, priceVersion, usage, model: "demo-embed" }),
    usageEvent({ attempt: 5, priceVersion, usage: null }),
    usageEvent({ attempt: 6, priceVersion: "pri_gone", usage }),
  );
  const postingsBefore = await database.query("select * from postings order by attempt_id, account");
  const dearer = await importInput(metering, "3");

  const foreseen = await rerate(metering, { priceVersion: dearer, dryRun: true });
  expect(foreseen.differences).toMatchObject([
    { model: "demo/demo-chat", attempts: 4n, changedAttempts: 3n, unpricedAttempts: 0n, costBeforeNanos: 2_000_000_000n, costAfterNanos: 9_000_000_000n, chargeBeforeNanos: 2_000_000_000n, chargeAfterNanos: 9_300_000_000n },
    { model: "demo/demo-embed", attempts: 1n, changedAttempts: 0n },
  ]);
  expect(await costs(metering)).toEqual([1_000_000_000n, 1_000_000_000n, 1_000_000_000n, 100_000_000n, undefined, undefined]);

  expect(await rerate(metering, { priceVersion: dearer })).toEqual(foreseen);
  expect(await rerate(metering, { priceVersion: dearer })).toEqual(foreseen);
  expect(await costs(metering)).toEqual([1_000_000_000n, 3_000_000_000n, 3_000_000_000n, 100_000_000n, undefined, 3_000_000_000n]);
  const cost = 10_100_000_000n;
  expect(await reconcile(database)).toMatchObject({ cost, rollup_cost: cost, credits: cost, debits: cost + 300_000_000n, unbalanced: 0n, attempts: 6n, rollup_attempts: 6n });

  const postingsAfter = await database.query("select * from postings where generation = 0 order by attempt_id, account");
  expect(postingsAfter.rows).toEqual(postingsBefore.rows);
  const adjusting = await database.query("select generation, account, amount_nanos, price_version from postings where generation > 0 and attempt_id like '%3' order by account");
  expect(adjusting.rows).toEqual([
    { generation: 1, account: "key:key_b", amount_nanos: 2_300_000_000n, price_version: dearer },
    { generation: 1, account: "margin:org_b", amount_nanos: -300_000_000n, price_version: dearer },
    { generation: 1, account: "vendor:demo", amount_nanos: -2_000_000_000n, price_version: dearer },
  ]);
  await expect(rerate(metering, { priceVersion, model: "demo/demo-chat" })).rejects.toMatchObject({ reason: "ALREADY_EXISTS" });
  await expect(rerate(metering, { rerateId: "new", priceVersion: "pri_never" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("a model alone can be rated again, back and forth, and a correction that comes later is rated as the line stands", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  await metering.record(usageEvent({ attempt: 1, priceVersion, usage, rank: UsageSource.ESTIMATED }), usageEvent({ attempt: 2, priceVersion, usage, model: "demo-embed" }));
  const dearer = await importInput(metering, "3");

  await rerate(metering, { rerateId: "up", priceVersion: dearer, model: "demo/demo-chat" });
  await metering.record(usageEvent({ attempt: 1, priceVersion, usage: { [Meter.INPUT_TOKENS]: 2_000_000n } }));
  expect(await costs(metering)).toEqual([6_000_000_000n, 100_000_000n]);
  const { attempts } = await metering.implementation.listAttempts(create(ListAttemptsRequestSchema), testContext);
  expect(attempts.at(-1)).toMatchObject({ reratedVersion: dearer, event: { intent: { priceVersion } } });

  await rerate(metering, { rerateId: "down", priceVersion });
  await rerate(metering, { rerateId: "up", priceVersion: dearer, model: "demo/demo-chat" });
  expect(await costs(metering)).toEqual([2_000_000_000n, 100_000_000n]);
  const cost = 2_100_000_000n;
  expect(await reconcile(database)).toMatchObject({ cost, rollup_cost: cost, credits: cost, debits: cost, unbalanced: 0n });
});

test("a period of many hours is rated from its beginning to its end, in which a model may be rare", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  const startMs = testNowMs - 50 * hourMs;
  const hoursAfterStart = [-0.2, 0, 0.2, 0.7, 1, 25.5, 49, 49.9, 50];
  await metering.record(...hoursAfterStart.map((hours, attempt) => usageEvent({ attempt, priceVersion, usage, timeMs: startMs + hours * hourMs, model: attempt % 2 === 0 ? "demo-chat" : "demo-embed" })));
  const dearer = await importInput(metering, "3");
  const period = { startTime: timestampFromMs(startMs), endTime: timestampFromMs(startMs + 50 * hourMs), priceVersion: dearer };

  const foreseen = await rerate(metering, { ...period, model: "demo/demo-chat", dryRun: true });
  expect(foreseen.differences).toMatchObject([{ model: "demo/demo-chat", attempts: 3n, changedAttempts: 3n, costAfterNanos: 9_000_000_000n }]);
  expect(await rerate(metering, { ...period, model: "demo/demo-chat" })).toEqual(foreseen);
  const [embedded, old, dear] = [100_000_000n, 1_000_000_000n, 3_000_000_000n];
  expect(await costs(metering)).toEqual([old, embedded, dear, embedded, dear, embedded, dear, embedded, old]);
  expect(await reconcile(database)).toMatchObject({ cost: 11_400_000_000n, rollup_cost: 11_400_000_000n, unbalanced: 0n });
});

test("one that stops on its way goes on by the same id, and its report is whole", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database, implementation } = metering;
  await metering.record(...Array.from({ length: 700 }, (_, attempt) => usageEvent({ attempt, priceVersion, usage })));
  const dearer = await importInput(metering, "3");
  const request = create(RerateUsageRequestSchema, { rerateId: "march", startTime: timestampFromMs(testNowMs), endTime: timestampFromMs(testNowMs + 1), priceVersion: dearer });

  // A page of 500 is done when the caller goes away.
  let looks = 0;
  const signal = { throwIfAborted: () => { if (++looks === 2) throw new Error("gone"); } } as AbortSignal;
  await expect(implementation.rerateUsage(request, { ...testContext, signal })).rejects.toThrow("gone");
  expect(await reconcile(database)).toMatchObject({ cost: 1_700_000_000_000n, rollup_cost: 1_700_000_000_000n, debits: 1_700_000_000_000n });

  expect((await implementation.rerateUsage(request, testContext)).differences).toMatchObject([{ attempts: 700n, changedAttempts: 700n, costAfterNanos: 2_100_000_000_000n }]);
  expect(await reconcile(database)).toMatchObject({ cost: 2_100_000_000_000n, rollup_cost: 2_100_000_000_000n, unbalanced: 0n });
});
