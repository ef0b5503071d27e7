/** Proves reconciliation: what a vendor says is compared once, corrects attempts by its request ids, and never charges a key for a difference. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { CheckLedgerRequestSchema, RebuildLedgerRequestSchema } from "#gen/weir/metering/v1/ledger_pb.ts";
import { ImportPricesRequestSchema } from "#gen/weir/metering/v1/price_book_pb.ts";
import { ComparisonStatus, ReconcileUsageRequestSchema, type VendorLineSchema } from "#gen/weir/metering/v1/reconciliation_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { seededRandom } from "../../test/harness/random.ts";
import { seed } from "../../test/harness/seed.ts";
import { foldDeltas } from "./store/fold-deltas.ts";
import { attemptIdAt, startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

const hourMs = 3_600_000;
const hour = testNowMs - (testNowMs % hourMs);
const usage = { [Meter.INPUT_TOKENS]: 1_000n, [Meter.OUTPUT_TOKENS]: 60n, [Meter.REASONING_OUTPUT_TOKENS]: 40n };
const cost = 1_400_000n;
const { EQUAL, MISSING_HERE, MISSING_THERE, DIFFERENT } = ComparisonStatus;
type Line = MessageInitShape<typeof VendorLineSchema>;

function reconcile({ implementation }: TestMetering, lines: readonly Line[], source = "costs") {
  return implementation.reconcileUsage(create(ReconcileUsageRequestSchema, { vendor: "demo", source, lines: [...lines] }), testContext).then(({ comparisons }) => comparisons);
}

function ofHour(lineId: string, model: string, figures: Line, startMs = hour): Line {
  return { lineId, model, startTime: timestampFromMs(startMs), endTime: timestampFromMs(startMs + hourMs), ...figures };
}

function ofRequest(upstreamRequestId: string, figures: Line): Line {
  return { lineId: upstreamRequestId, upstreamRequestId, model: "demo-chat", startTime: timestampFromMs(testNowMs + 1_000), ...figures };
}

/** An event whose reply named the vendor's id. */
function served(upstreamRequestId: string, sketch: Parameters<typeof usageEvent>[0]) {
  const event = usageEvent({ usage, ...sketch });
  event.outcome!.upstreamRequestId = upstreamRequestId;
  return event;
}

async function balances({ database }: TestMetering): Promise<Record<string, bigint>> {
  await foldDeltas(database, 1_000);
  const { rows } = await database.query<{ account: string; amount_nanos: bigint }>("select account, amount_nanos from balances where amount_nanos <> 0");
  return Object.fromEntries(rows.map(({ account, amount_nanos }) => [account, amount_nanos]));
}

async function expectSound({ implementation }: TestMetering): Promise<void> {
  expect((await implementation.checkLedger(create(CheckLedgerRequestSchema), testContext)).differences).toEqual([]);
}

test("sums of a model and hour are equal, missing here, missing there or different; the difference is the vendor's account's, once", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(
    usageEvent({ attempt: 1, priceVersion, usage, servedModel: "demo-chat-2026" }),
    usageEvent({ attempt: 2, priceVersion, usage, servedModel: "demo-chat-2026" }),
    usageEvent({ attempt: 3, priceVersion, usage: { [Meter.INPUT_TOKENS]: 10n }, model: "demo-embed" }),
    usageEvent({ attempt: 4, priceVersion, usage, timeMs: testNowMs - hourMs }),
    usageEvent({ attempt: 5, priceVersion, usage, vendor: "other" }),
    usageEvent({ attempt: 6, priceVersion, usage: null, model: "demo-silent" }),
  );
  const lines = [
    ofHour("a", "demo-chat-2026", { costNanos: cost }),
    ofHour("b", "demo-chat-2026", { costNanos: cost + 500n }),
    ofHour("c", "demo-image", { costNanos: 700n }),
    ofHour("d", "demo-chat", { costNanos: cost }, hour - hourMs),
  ];
  const before = await balances(metering);
  const compared = await reconcile(metering, lines);
  expect(compared).toMatchObject([
    { status: EQUAL, model: "demo-chat", ledgerCostNanos: cost, vendorCostNanos: cost, differenceNanos: 0n },
    { status: DIFFERENT, model: "demo-chat-2026", ledgerCostNanos: 2n * cost, vendorCostNanos: 2n * cost + 500n, differenceNanos: 500n },
    { status: MISSING_THERE, model: "demo-embed", ledgerCostNanos: 1_000n, vendorCostNanos: 0n, differenceNanos: -1_000n },
    { status: MISSING_HERE, model: "demo-image", ledgerCostNanos: 0n, vendorCostNanos: 700n, differenceNanos: 700n },
  ]);
  const after = { ...before, "difference:demo": 200n, "vendor:demo": before["vendor:demo"]! - 200n };
  expect(await balances(metering)).toEqual(after);
  await expectSound(metering);

  expect(await reconcile(metering, lines)).toEqual(compared);
  expect(await balances(metering)).toEqual(after);
  const { rows } = await metering.database.query("select count(*) from vendor_postings");
  expect(rows).toEqual([{ count: 6n }]);

  // What was missing comes later, and a line says something else.
  await reconcile(metering, [ofHour("e", "demo-embed", { costNanos: 1_000n }), ofHour("b", "demo-chat-2026", { costNanos: cost })]);
  expect(await balances(metering)).toEqual({ ...before, "difference:demo": 700n, "vendor:demo": before["vendor:demo"]! - 700n });
  await metering.implementation.rebuildLedger(create(RebuildLedgerRequestSchema), testContext);
  expect(await balances(metering)).toEqual({ ...before, "difference:demo": 700n, "vendor:demo": before["vendor:demo"]! - 700n });
  await expectSound(metering);
});

test("a line that comes again for another period or request takes what was posted for the one before along", async () => {
  const metering = await startTestMetering();
  await metering.record(served("vendor-1", { attempt: 1, priceVersion: metering.priceVersion, usage }));
  const before = await balances(metering);
  const day = { startTime: timestampFromMs(hour - (hour % (24 * hourMs))), endTime: timestampFromMs(hour - (hour % (24 * hourMs)) + 24 * hourMs) };
  const wrongly = [ofHour("a", "demo-image", { costNanos: 700n }), ofHour("b", "demo-other", { costNanos: 30n }), ofHour("c", "demo-image", { costNanos: 5n }, hour - hourMs)];
  await reconcile(metering, wrongly);
  expect((await balances(metering))["difference:demo"]).toBe(735n - cost);
  await reconcile(metering, [{ ...wrongly[0]!, ...day }, { ...wrongly[2]!, ...day }]);
  // "b" is of the hour still, so that the vendor's not naming the ledger's model there counts.
  expect((await balances(metering))["difference:demo"]).toBe(705n - cost + 30n - cost);
  await reconcile(metering, [{ ...wrongly[1]!, ...day }]);
  expect((await balances(metering))["difference:demo"]).toBe(735n - cost);
  await reconcile(metering, wrongly.map(({ lineId }) => ({ ...ofRequest("vendor-2", { costNanos: 9n }), lineId: lineId! })).slice(0, 1));
  await reconcile(metering, [{ ...wrongly[1]!, ...day, costNanos: 0n }, { ...wrongly[2]!, ...day, costNanos: cost }]);
  expect((await balances(metering))["difference:demo"]).toBe(9n);
  await reconcile(metering, [{ ...ofRequest("vendor-1", { costNanos: cost + 4n }), lineId: "a" }]);
  expect(await balances(metering)).toEqual({ ...before, "difference:demo": 4n, "vendor:demo": before["vendor:demo"]! - 4n });
  await expectSound(metering);
});

test("former lines of the periods that do not come again are counted and told of, and taken away where the lines are said to be all", async () => {
  const metering = await startTestMetering();
  await metering.record(usageEvent({ attempt: 1, priceVersion: metering.priceVersion, usage }));
  const before = await balances(metering);
  const report = (replacePeriods: boolean, ...lines: Line[]) => metering.implementation.reconcileUsage(create(ReconcileUsageRequestSchema, { vendor: "demo", source: "costs", lines, replacePeriods }), testContext);
  const elsewhere = ofHour("c", "demo-chat", { costNanos: 9n }, hour - 48 * hourMs);
  expect((await report(false, ofHour("a", "demo-chat", { costNanos: cost }), ofHour("b", "demo-image", { costNanos: 5n }), elsewhere)).formerLines).toBe(0n);
  expect(await report(false, ofHour("a-renamed", "demo-chat", { costNanos: cost }))).toMatchObject({ formerLines: 2n, comparisons: [{ differenceNanos: cost }, { differenceNanos: 5n }] });
  expect(await report(true, ofHour("a-renamed", "demo-chat", { costNanos: cost }))).toMatchObject({ formerLines: 0n, comparisons: [{ status: EQUAL, differenceNanos: 0n }] });
  expect(await balances(metering)).toEqual({ ...before, "difference:demo": 9n, "vendor:demo": before["vendor:demo"]! - 9n });
  await expectSound(metering);
});

test("a period of any length has its usage from its beginning to its end", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  const hoursAfter = [-0.1, 0, 0.4, 0.6, 1, 25.5, 49.9, 50.2, 50.3];
  await metering.record(...hoursAfter.map((hours, attempt) => usageEvent({ attempt, priceVersion, usage, timeMs: hour - 60 * hourMs + hours * hourMs, servedModel: attempt % 2 === 0 ? "" : "demo-chat-2026" })));
  const period = { startTime: timestampFromMs(hour - 59.7 * hourMs), endTime: timestampFromMs(hour - 60 * hourMs + 50.3 * hourMs) };
  expect(await reconcile(metering, [{ lineId: "a", model: "demo-chat", ...period, costNanos: 6n * cost }])).toMatchObject([{ status: EQUAL, ledgerCostNanos: 6n * cost, differenceNanos: 0n, ledgerQuantities: [{ quantity: 6_000n }, { quantity: 360n }, { quantity: 240n }] }]);
  const later = { startTime: timestampFromMs(testNowMs + 24 * hourMs), endTime: timestampFromMs(Date.UTC(9_000, 0)) };
  expect(await reconcile(metering, [{ lineId: "b", model: "demo-chat", ...later, costNanos: 5n }])).toMatchObject([{ status: MISSING_HERE, differenceNanos: 5n }]);
});

test("usage without a cost is compared and posts nothing; reasoning is output, and a line without a model is of all", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(usageEvent({ attempt: 1, priceVersion, usage }), usageEvent({ attempt: 2, priceVersion, usage: { [Meter.INPUT_TOKENS]: 10n }, model: "demo-embed" }));
  const before = await balances(metering);
  const quantities = [{ meter: Meter.INPUT_TOKENS, quantity: 1_010n }, { meter: Meter.OUTPUT_TOKENS, quantity: 100n }];
  expect(await reconcile(metering, [ofHour("all", "", { quantities })], "usage")).toMatchObject([{ status: EQUAL, model: "", differenceNanos: 0n }]);
  quantities[0]!.quantity++;
  const [different] = await reconcile(metering, [ofHour("all", "", { quantities })], "usage");
  expect(different).toMatchObject({ status: DIFFERENT, differenceNanos: 0n });
  expect(different!.vendorCostNanos).toBeUndefined();
  expect(await balances(metering)).toEqual(before);
});

test("a model that is listed late, under its other name, leaves no difference behind", async () => {
  const metering = await startTestMetering();
  await metering.record(usageEvent({ priceVersion: metering.priceVersion, usage, servedModel: "demo-chat-2026" }));
  const before = await balances(metering);
  expect(await reconcile(metering, [ofHour("a", "demo-image", { costNanos: 0n })])).toMatchObject([{ status: MISSING_THERE, model: "demo-chat-2026", differenceNanos: -cost }, {}]);
  expect(await balances(metering)).toEqual({ "key:key_a": cost, "difference:demo": -cost });
  expect(await reconcile(metering, [ofHour("b", "demo-chat", { costNanos: cost })])).toMatchObject([{ status: EQUAL, model: "demo-chat" }, { model: "demo-image" }]);
  expect(await balances(metering)).toEqual(before);
});

test("requests correct their attempts and resolve orphans, by adjusting entries of rank imported", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  const orphan = { priceVersion, rank: UsageSource.ORPHANED, result: AttemptResult.ORPHANED, usage: { [Meter.INPUT_TOKENS]: 9_000_000n } };
  await metering.record(
    served("gen-1", { attempt: 1, priceVersion }),
    served("gen-2", { attempt: 2, priceVersion }),
    served("gen-3", { attempt: 3, priceVersion, rank: UsageSource.ESTIMATED }),
    usageEvent({ ...orphan, attempt: 4 }),
    served("gen-6", { attempt: 5, priceVersion, timeMs: testNowMs + 1_000 }),
  );
  const tokens = (input: bigint) => ({ quantities: [{ meter: Meter.INPUT_TOKENS, quantity: input }, { meter: Meter.OUTPUT_TOKENS, quantity: 100n }] });
  const lines = [
    ofRequest("gen-1", { ...tokens(1_000n), costNanos: cost }),
    ofRequest("gen-2", tokens(2_000n)),
    ofRequest("gen-3", { ...tokens(1_000n), costNanos: cost + 9n }),
    ofRequest("gen-4", tokens(3_000n)),
    ofRequest("gen-5", { ...tokens(1n), costNanos: 77n, model: "demo-unknown" }),
  ];
  const compared = await reconcile(metering, lines, "csv");
  expect(compared).toMatchObject([
    { status: EQUAL, upstreamRequestId: "gen-1", corrected: false, differenceNanos: 0n },
    { status: DIFFERENT, upstreamRequestId: "gen-2", corrected: true, ledgerCostNanos: 2_400_000n },
    { status: DIFFERENT, upstreamRequestId: "gen-3", corrected: true, ledgerCostNanos: cost, differenceNanos: 9n },
    { status: DIFFERENT, upstreamRequestId: "gen-4", corrected: true, attemptId: attemptIdAt(testNowMs, 4), ledgerCostNanos: 3_400_000n },
    { status: MISSING_HERE, upstreamRequestId: "gen-5", attemptId: "", differenceNanos: 77n },
    { status: MISSING_THERE, upstreamRequestId: "gen-6", attemptId: attemptIdAt(testNowMs + 1_000, 5), ledgerCostNanos: cost },
  ]);
  const { attempts } = await metering.implementation.listAttempts(create(ListAttemptsRequestSchema), testContext);
  expect(attempts.find(({ event }) => event!.intent!.attemptId === attemptIdAt(testNowMs, 4))).toMatchObject({
    costNanos: 3_400_000n,
    event: { rank: UsageSource.IMPORTED, outcome: { result: AttemptResult.SUCCEEDED, upstreamRequestId: "gen-4", usage: { source: UsageSource.IMPORTED } } },
  });
  const key = 3n * cost + 2_400_000n + 3_400_000n;
  expect(await balances(metering)).toEqual({ "key:key_a": key, "vendor:demo": -key - 86n, "difference:demo": 86n });
  const { rows } = await database.query("select rank, amount_nanos from postings where account = 'key:key_a' and attempt_id = $1 order by rank", [attemptIdAt(testNowMs, 4)]);
  expect(rows).toEqual([{ rank: UsageSource.ORPHANED, amount_nanos: 9_000_000_000n }, { rank: UsageSource.IMPORTED, amount_nanos: 3_400_000n - 9_000_000_000n }]);
  await expectSound(metering);

  const again = await reconcile(metering, lines, "csv");
  expect(again.map(({ status, corrected }) => [status, corrected])).toEqual([[EQUAL, false], [EQUAL, false], [DIFFERENT, false], [EQUAL, false], [MISSING_HERE, false], [MISSING_THERE, false]]);
  expect(await balances(metering)).toEqual({ "key:key_a": key, "vendor:demo": -key - 86n, "difference:demo": 86n });
  await expect(reconcile(metering, [lines[0]!, lines[0]!])).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

/** What somebody could do to the tables so that they agree with themselves everywhere, once sums and balances are had back from the lines; and what the vendor's lines say to it. */
interface Forgery {
  readonly sql: string;
  readonly status: ComparisonStatus;
  /** Whether it is the attempt itself that is named, or the copy of it. */
  readonly isOfCopy?: true;
}

const copyOf = (upstreamRequestId: string): string => `
  with copy as (insert into attempts select (made).* from (
         select jsonb_populate_record(attempts, jsonb_build_object('attempt_id', overlay(attempt_id placing 'z' from 15 for 1), 'upstream_request_id', ${upstreamRequestId})) as made from attempts where attempt_id = $1) as made)
  insert into postings select overlay(attempt_id placing 'z' from 15 for 1), start_time, rank, account, organization_id, amount_nanos, price_version, post_time, generation from postings where attempt_id = $1`;
const repriced = (line: string, nanos: string): string => `
  with line as (update attempts set ${line}, cost_nanos = cost_nanos + ${nanos}, charge_nanos = charge_nanos + ${nanos} where attempt_id = $1)
  update postings set amount_nanos = amount_nanos + case when account like 'key:%' then ${nanos} else -(${nanos}) end where attempt_id = $1`;

const forgeries: Readonly<Record<string, Forgery>> = {
  "a line taken away with its postings": { sql: "with line as (delete from attempts where attempt_id = $1) delete from postings where attempt_id = $1", status: MISSING_HERE },
  "a second line under the vendor's id": { sql: copyOf("upstream_request_id"), status: MISSING_THERE, isOfCopy: true },
  "a second line under another id": { sql: copyOf("upstream_request_id || '-again'"), status: MISSING_THERE, isOfCopy: true },
  "more tokens at the same price": { sql: repriced("quantities[1] = quantities[1] + 7", "7000"), status: DIFFERENT },
  "the same tokens by another version of the price book": { sql: repriced("price_version = $2", "1000000"), status: DIFFERENT },
};

test(`100 of 100 deletions, duplicates and repricings that agree with themselves are found by the vendor's lines, by WEIR_SEED=${seed}`, async () => {
  const metering = await startTestMetering();
  const { database, implementation } = metering;
  const places = Array.from({ length: 300 }, (_, place) => place);
  const idOf = (place: number): string => `gen-${place}`;
  const timeOf = (place: number): number => testNowMs + place;
  await metering.record(...places.map((place) => served(idOf(place), { attempt: place, timeMs: timeOf(place), priceVersion: metering.priceVersion })));
  const { priceVersion: dearer } = await implementation.importPrices(create(ImportPricesRequestSchema, { prices: [{ name: "demo/demo-chat", price: { input: "2", output: "4" } }] }), testContext);
  const quantities = [{ meter: Meter.INPUT_TOKENS, quantity: 1_000n }, { meter: Meter.OUTPUT_TOKENS, quantity: 100n }];
  const lines = places.map((place): Line => ({ lineId: idOf(place), upstreamRequestId: idOf(place), model: "demo-chat", startTime: timestampFromMs(timeOf(place)), quantities, costNanos: cost }));

  const random = seededRandom(seed);
  const chosen = places.map((place) => ({ place, order: random() })).sort((left, right) => left.order - right.order).slice(0, 100);
  const expected = new Map<string, ComparisonStatus>();
  const names = Object.keys(forgeries);
  for (const [index, { place }] of chosen.entries()) {
    const { sql, status, isOfCopy } = forgeries[names[index % names.length]!]!;
    const attemptId = attemptIdAt(timeOf(place), place);
    await database.query(sql, sql.includes("$2") ? [attemptId, dearer] : [attemptId]);
    expected.set(isOfCopy ? `${attemptId.slice(0, 14)}z${attemptId.slice(15)}` : idOf(place), status);
  }
  await implementation.rebuildLedger(create(RebuildLedgerRequestSchema), testContext);
  await expectSound(metering);

  const compared = await reconcile(metering, lines, "csv");
  const found = compared.filter(({ status }) => status !== EQUAL).map(({ status, attemptId, upstreamRequestId }) => [status === MISSING_THERE ? attemptId : upstreamRequestId, status] as const);
  expect(new Map(found)).toEqual(expected);
  expect(found).toHaveLength(100);
});
