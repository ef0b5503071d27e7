/** Proves that each attempt stands in the ledger once, with the right figures, whatever is sent when. */
import { expect, test } from "vitest";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { QueryUsageRequestSchema } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { AttemptResult, UsageEventSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { entriesOf } from "./domain/listed-price.ts";
import { foldDeltas } from "./store/fold-deltas.ts";
import { attemptIdAt, reconcile, startMeteringOn, startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

// demo-chat: 1,000 input tokens at $1 and 100 output tokens at $4 a million.
const defaultCostNanos = 1_400_000n;

async function attemptsOf({ implementation }: TestMetering) {
  return (await implementation.listAttempts(create(ListAttemptsRequestSchema), testContext)).attempts;
}

async function onlyAttempt(metering: TestMetering) {
  const attempts = await attemptsOf(metering);
  expect(attempts).toHaveLength(1);
  return attempts[0]!;
}

test("an event becomes a rated line, a double entry and a sum of its hour", async () => {
  const metering = await startTestMetering();
  const event = usageEvent({ priceVersion: metering.priceVersion, labels: { application: "shop" } });

  const { confirmedAttemptIds, rejected } = await metering.record(event);

  expect({ confirmedAttemptIds, rejected }).toEqual({ confirmedAttemptIds: [attemptIdAt(testNowMs, 1)], rejected: [] });
  const attempt = await onlyAttempt(metering);
  expect(attempt.costNanos).toBe(defaultCostNanos);
  expect(attempt.event).toEqual(event);
  const postings = await metering.database.query("select account, amount_nanos from postings order by account");
  expect(postings.rows).toEqual([
    { account: "key:key_a", amount_nanos: defaultCostNanos },
    { account: "vendor:demo", amount_nanos: -defaultCostNanos },
  ]);
  expect(await reconcile(metering.database)).toEqual({
    attempts: 1n,
    rollup_attempts: 1n,
    cost: defaultCostNanos,
    rollup_cost: defaultCostNanos,
    debits: defaultCostNanos,
    credits: defaultCostNanos,
    unbalanced: 0n,
    quantity: 1100n,
    rollup_quantity: 1100n,
  });
});

test("a duplicate is confirmed again and changes nothing: in the same batch, later, and with other figures", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  const event = usageEvent({ priceVersion });
  const contradiction = usageEvent({ priceVersion, usage: { [Meter.INPUT_TOKENS]: 5n } });

  expect((await metering.record(event, contradiction, event)).confirmedAttemptIds).toHaveLength(1);
  expect((await metering.record(contradiction)).confirmedAttemptIds).toEqual([attemptIdAt(testNowMs, 1)]);

  expect(await reconcile(metering.database)).toMatchObject({ attempts: 1n, rollup_attempts: 1n, cost: defaultCostNanos, debits: defaultCostNanos });
});

test("the same events in concurrent batches of two services stand once", async () => {
  const metering = await startTestMetering();
  const other = await startMeteringOn(metering.database);
  const { priceVersion } = metering;
  const events = Array.from({ length: 40 }, (_, attempt) => usageEvent({ attempt, priceVersion, key: `key_${attempt % 3}` }));
  const corrections = events.map((event) => create(UsageEventSchema, { ...event, rank: UsageSource.IMPORTED }));

  const batches = Array.from({ length: 12 }, (_, index) => {
    const chosen = [...events.slice(index), ...corrections.slice(0, index)];
    return index % 2 === 0 ? chosen : chosen.reverse();
  });
  await Promise.all(batches.map((batch, index) => (index % 2 === 0 ? metering : other).record(...batch)));
  await metering.record(...corrections);

  const cost = 40n * defaultCostNanos;
  expect(await reconcile(metering.database)).toMatchObject({ attempts: 40n, rollup_attempts: 40n, cost, rollup_cost: cost, debits: cost, credits: cost, unbalanced: 0n });
});

test("a higher rank adjusts by new postings, keeps what it replaced, and a lower one is a duplicate", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  const orphan = usageEvent({ priceVersion, rank: UsageSource.ORPHANED, result: AttemptResult.ORPHANED, usage: { [Meter.INPUT_TOKENS]: 9_000_000n } });
  const real = usageEvent({ priceVersion });
  const imported = usageEvent({ priceVersion, rank: UsageSource.IMPORTED, usage: { [Meter.INPUT_TOKENS]: 2000n } });

  for (const event of [orphan, real, orphan, imported, real]) await metering.record(event);

  expect(await onlyAttempt(metering)).toMatchObject({ costNanos: 2_000_000n, event: { rank: UsageSource.IMPORTED, outcome: { result: AttemptResult.SUCCEEDED } } });
  const { rows } = await database.query("select rank, amount_nanos from postings where account = 'key:key_a' order by rank");
  expect(rows).toEqual([
    { rank: UsageSource.ORPHANED, amount_nanos: 9_000_000_000n },
    { rank: UsageSource.PROVIDER, amount_nanos: defaultCostNanos - 9_000_000_000n },
    { rank: UsageSource.IMPORTED, amount_nanos: 2_000_000n - defaultCostNanos },
  ]);
  const superseded = await database.query("select rank, cost_nanos from superseded_attempts order by rank");
  expect(superseded.rows).toEqual([
    { rank: UsageSource.ORPHANED, cost_nanos: 9_000_000_000n },
    { rank: UsageSource.PROVIDER, cost_nanos: defaultCostNanos },
  ]);
  await foldDeltas(database, 100);
  const rollup = await database.query("select attempts, failed_attempts, orphaned_attempts, cost_nanos, quantities from usage_rollups");
  expect(rollup.rows).toEqual([{ attempts: 1n, failed_attempts: 0n, orphaned_attempts: 0n, cost_nanos: 2_000_000n, quantities: [2000n, 0n, 0n, 0n, 0n] }]);
});

test("an orphan never overrides a real outcome without usage, which an import can still correct", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  const unreported = usageEvent({ priceVersion, rank: UsageSource.UNSPECIFIED, usage: null });
  const orphan = usageEvent({ priceVersion, rank: UsageSource.ORPHANED, result: AttemptResult.ORPHANED });

  await metering.record(orphan, unreported);
  await metering.record(orphan);
  const attempt = await onlyAttempt(metering);
  expect(attempt).toMatchObject({ event: { outcome: { result: AttemptResult.SUCCEEDED } } });
  expect(attempt.costNanos).toBeUndefined();
  expect(attempt.event?.outcome?.usage).toBeUndefined();

  await metering.record(usageEvent({ priceVersion, rank: UsageSource.IMPORTED }));
  expect(await onlyAttempt(metering)).toMatchObject({ costNanos: defaultCostNanos });
  expect(await reconcile(metering.database)).toMatchObject({ rollup_attempts: 1n, cost: defaultCostNanos, rollup_cost: defaultCostNanos, debits: defaultCostNanos });
});

test("an event is rated by the version its intent names, after a change of config and by another process too", async () => {
  const metering = await startTestMetering();
  const before = metering.priceVersion;
  const versions = metering.implementation.watchPriceVersion({ $typeName: "weir.metering.v1.WatchPriceVersionRequest" }, testContext)[Symbol.asyncIterator]();
  expect((await versions.next()).value).toMatchObject({ priceVersion: before });

  metering.config.set({ ...metering.config.current, prices: new Map([["demo/demo-chat", entriesOf({ input: "7", output: "0" })]]) });
  const after = (await versions.next()).value!.priceVersion as string;
  await versions.return?.();
  expect(after).not.toBe(before);

  const restarted = await startMeteringOn(metering.database);
  expect(restarted.priceVersion).toBe(before);
  await restarted.record(usageEvent({ attempt: 1, priceVersion: before }), usageEvent({ attempt: 2, priceVersion: after }));
  const attempts = await attemptsOf(metering);
  expect(attempts.map(({ costNanos }) => costNanos)).toEqual([7_000_000n, defaultCostNanos]);
});

test("unknown versions and models are unpriced and flagged; unreported usage is neither zero nor unpriced; zero is zero", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  await metering.record(
    usageEvent({ attempt: 1, priceVersion: "pri_unknown" }),
    usageEvent({ attempt: 2, priceVersion, model: "nobody-knows" }),
    usageEvent({ attempt: 3, priceVersion, usage: { [Meter.AUDIO_INPUT_TOKENS]: 1n } }),
    usageEvent({ attempt: 4, priceVersion, usage: null }),
    usageEvent({ attempt: 5, priceVersion, usage: {} }),
    usageEvent({ attempt: 6, priceVersion, model: "alias", servedModel: "demo-chat" }),
  );
  const { rows } = await database.query("select cost_nanos, is_unpriced, quantities is null as is_unreported from attempts order by attempt_id");
  expect(rows).toEqual([
    { cost_nanos: null, is_unpriced: true, is_unreported: false },
    { cost_nanos: null, is_unpriced: true, is_unreported: false },
    { cost_nanos: null, is_unpriced: true, is_unreported: false },
    { cost_nanos: null, is_unpriced: false, is_unreported: true },
    { cost_nanos: 0n, is_unpriced: false, is_unreported: false },
    { cost_nanos: defaultCostNanos, is_unpriced: false, is_unreported: false },
  ]);
  const sums = await database.query("select sum(unpriced_attempts)::int8 as unpriced, sum(attempts)::int8 as attempts from usage_sums");
  expect(sums.rows).toEqual([{ unpriced: 3n, attempts: 6n }]);
});

test("poison is rejected with its reason and kept, and the rest of the batch is posted", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  const malformed = usageEvent();
  malformed.intent!.attemptId = "att_1";
  const outOfRange = usageEvent({ attempt: 4, requestId: "req_out_of_range" });
  outOfRange.outcome!.endTime = timestampFromMs(8.64e15);
  const poison = [
    create(UsageEventSchema, {}),
    malformed,
    usageEvent({ attempt: 2, organization: "" }),
    usageEvent({ attempt: 3, timeMs: Date.UTC(2050, 0, 1) }),
    outOfRange,
  ];
  const sound = [7, 8, 9].map((attempt) => usageEvent({ attempt, priceVersion }));

  const { confirmedAttemptIds, rejected } = await metering.record(sound[0]!, ...poison, sound[1]!, sound[2]!);

  expect(confirmedAttemptIds).toEqual(sound.map(({ intent }) => intent!.attemptId));
  expect(rejected.map(({ reason }) => reason)).toEqual([
    "it has no intent",
    "its attempt id is malformed",
    "it names no organization",
    expect.stringContaining("2050-01-01"),
    expect.stringContaining("a value of it cannot be stored"),
  ]);
  await metering.record(...poison);
  const letters = await database.query("select reason from dead_letters");
  expect(letters.rows).toHaveLength(poison.length);
  expect(await reconcile(database)).toMatchObject({ attempts: 3n, rollup_attempts: 3n });
});

test("an event of another organization for the same attempt is rejected, at once or later", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  const theirs = usageEvent({ priceVersion, organization: "org_b", rank: UsageSource.IMPORTED });
  expect((await metering.record(usageEvent({ priceVersion }), theirs)).rejected).toHaveLength(1);
  const later = await metering.record(theirs, usageEvent({ priceVersion, organization: "org_b" }));
  const reason: unknown = expect.stringContaining("another organization");
  expect(later).toMatchObject({ confirmedAttemptIds: [], rejected: [{ reason }, { reason }] });
  expect(await reconcile(metering.database)).toMatchObject({ cost: defaultCostNanos });
});

test("partitions follow the month in the id, over a month's border and far from today", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  const border = Date.UTC(2026, 11, 1);
  const times = [border - 1, border, Date.UTC(2024, 1, 29), testNowMs];
  await metering.record(...times.map((timeMs) => usageEvent({ timeMs, priceVersion })));

  const { rows } = await database.query("select tableoid::regclass::text as partition from attempts order by start_time");
  expect(rows.map(({ partition }) => partition)).toEqual(["attempts_2024_02", "attempts_2026_11", "attempts_2026_11", "attempts_2026_12"]);
  expect(await reconcile(database)).toMatchObject({ attempts: 4n, cost: 4n * defaultCostNanos, debits: 4n * defaultCostNanos });
});

test("big figures stay exact", async () => {
  const metering = await startTestMetering();
  metering.config.set({ ...metering.config.current, prices: new Map([["demo/demo-chat", entriesOf({ input: "9.000001" })]]) });
  let priceVersion = "";
  for await (const version of metering.implementation.watchPriceVersion({ $typeName: "weir.metering.v1.WatchPriceVersionRequest" }, testContext)) {
    priceVersion = version.priceVersion;
    if (priceVersion !== metering.priceVersion) break;
  }
  const many = 99_999_999_999n;
  const ids = Array.from({ length: 11 }, (_, attempt) => attempt);
  await metering.record(...ids.map((attempt) => usageEvent({ attempt, priceVersion, usage: { [Meter.INPUT_TOKENS]: many } })));
  const cost = (many * 9_000_001_000n + 500_000n) / 1_000_000n;
  const attempts = await attemptsOf(metering);
  expect(attempts.map(({ costNanos }) => costNanos)).toEqual(ids.map(() => cost));
  expect(11n * cost).toBeGreaterThan(2n ** 53n);
  const { rows } = await metering.implementation.queryUsage(create(QueryUsageRequestSchema), testContext);
  expect(rows).toMatchObject([{ costNanos: 11n * cost, quantities: [{ quantity: 11n * many }] }]);
});

test("an attempt stands whatever its vendor or caller wrote: usage that cannot be true is unreported, and kept", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database, implementation } = metering;
  const untrue = [-1n, 2n ** 53n - 1n, 2n ** 63n - 1n].map((quantity, attempt) => usageEvent({ attempt, priceVersion, usage: { [Meter.INPUT_TOKENS]: quantity } }));
  const odd = usageEvent({ attempt: 4, priceVersion, requestId: "req_\0", labels: { "odd\0": "a\0b", application: `${"x".repeat(99)}😀`, workflow: "a\ud800b" } });
  Object.assign(odd.outcome!, { servedModel: "demo\0chat", finishReason: "st\0op", upstreamRequestId: "a\ud800" });

  const { confirmedAttemptIds, rejected } = await metering.record(...untrue, odd);
  expect({ confirmed: confirmedAttemptIds.length, rejected }).toEqual({ confirmed: 4, rejected: [] });
  const standing = (await attemptsOf(metering)).map(({ event, costNanos }) => [event!.rank, event!.outcome!.usage?.quantities[0]?.quantity, costNanos]);
  const unreported = [UsageSource.UNSPECIFIED, undefined, undefined];
  expect(standing).toEqual([[UsageSource.PROVIDER, 1000n, defaultCostNanos], unreported, unreported, unreported]);
  const letters = await database.query<{ reason: string }>("select reason from dead_letters order by reason");
  expect(letters.rows).toHaveLength(3);
  expect(letters.rows[0]).toEqual({ reason: "its usage has 9007199254740991 of the meter 1, which no attempt consumes" });

  const { rows } = await implementation.queryUsage(create(QueryUsageRequestSchema, { groupByLabels: ["application", "workflow"] }), testContext);
  expect(rows.map(({ group }) => group)).toEqual([[`${"x".repeat(99)}\ufffd`, "a\ufffdb"], ["", ""]]);
  // What is known later is taken.
  await metering.record(usageEvent({ attempt: 0, priceVersion }));
  expect(await reconcile(database)).toMatchObject({ attempts: 4n, cost: 2n * defaultCostNanos, unbalanced: 0n });
});

test("a stopped service refuses events, so that their emitter keeps them", async () => {
  const metering = await startTestMetering();
  await metering.service.stop();
  await expect(metering.record(usageEvent())).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
});
