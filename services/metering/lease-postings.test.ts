/** Proves that policy is told of each attempt under a lease what it came to, once, until it confirms, and up to when that is all. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ReportJournalRequestSchema } from "#gen/weir/metering/v1/journal_pb.ts";
import { SumLeasesRequestSchema, TakeLeasePostingsRequestSchema, type TakeLeasePostingsResponse } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { WatchBoundPricesRequestSchema, WatchPriceVersionRequestSchema } from "#gen/weir/metering/v1/price_book_pb.ts";
import { AttemptResult, UsageEventSchema, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { startTestMetering, testContext, usageEvent, type EventSketch, type TestMetering } from "./usage-events.fixture.ts";

const bound = 9_000n;

function underLease(metering: TestMetering, sketch: EventSketch): UsageEvent {
  const event = usageEvent({ priceVersion: metering.priceVersion, ...sketch });
  return create(UsageEventSchema, { ...event, intent: { ...event.intent!, leaseId: "lea_1", boundNanos: bound } });
}

function take({ implementation }: TestMetering, confirmedPostingIds: readonly bigint[] = []): Promise<TakeLeasePostingsResponse> {
  return implementation.takeLeasePostings(create(TakeLeasePostingsRequestSchema, { confirmedPostingIds: [...confirmedPostingIds], maxWait: durationFromMs(0) }), testContext);
}

test("what attempts came to is handed over until it is confirmed, corrections as differences", async () => {
  const metering = await startTestMetering();
  const one = { [Meter.INPUT_TOKENS]: 1n };
  await metering.record(
    underLease(metering, { attempt: 1, usage: one }),
    underLease(metering, { attempt: 2, usage: null, result: AttemptResult.ORPHANED, rank: UsageSource.ORPHANED }),
    underLease(metering, { attempt: 3, usage: null, result: AttemptResult.NOT_SENT, rank: UsageSource.UNSPECIFIED }),
    underLease(metering, { attempt: 4, usage: null, rank: UsageSource.UNSPECIFIED }),
    underLease(metering, { attempt: 5, model: "unpriced", usage: one }),
    usageEvent({ attempt: 6 }),
  );
  const { postings } = await take(metering);
  const [{ deltaNanos: price }] = postings as [TakeLeasePostingsResponse["postings"][0]];
  expect(price).toBeGreaterThan(0n);
  expect(postings.map(({ leaseId, organizationId, deltaNanos }) => [leaseId, organizationId, deltaNanos])).toEqual([price, bound, bound, bound].map((delta) => ["lea_1", "org_a", delta]));
  expect((await take(metering)).postings).toEqual(postings);
  const { attempts } = await metering.implementation.listAttempts(create(ListAttemptsRequestSchema), testContext);
  expect(attempts.map(({ event }) => event!.intent!).filter(({ leaseId, boundNanos }) => leaseId === "lea_1" && boundNanos === bound)).toHaveLength(5);

  await metering.record(underLease(metering, { attempt: 2, usage: one }), underLease(metering, { attempt: 1, usage: one }));
  const sumsOf = async () => (await metering.implementation.sumLeases(create(SumLeasesRequestSchema, { leaseIds: ["lea_1", "lea_2"] }), testContext)).sums.toSorted((left, right) => (left.leaseId < right.leaseId ? -1 : 1));
  expect(await sumsOf()).toMatchObject([{ leaseId: "lea_2", countedNanos: 0n }]);
  const later = await take(metering, postings.map(({ postingId }) => postingId));
  expect(later.postings).toMatchObject([{ deltaNanos: price - bound }]);
  await take(metering, later.postings.map(({ postingId }) => postingId));
  const told = [...postings, ...later.postings].reduce((sum, { deltaNanos }) => sum + deltaNanos, 0n);
  expect(await sumsOf()).toMatchObject([{ leaseId: "lea_1", countedNanos: told }, { leaseId: "lea_2", countedNanos: 0n }]);
});

test("an attempt that is charged more than was held for it is booked in full, and flagged once", async () => {
  const metering = await startTestMetering();
  const flagged = async () => (await metering.metrics.getSingleMetricAsString("weir_ledger_outgrown_holds_total")).split("\n").filter((line) => !line.startsWith("#"));
  const dear = { [Meter.OUTPUT_TOKENS]: 1_000_000n };
  await metering.record(
    underLease(metering, { attempt: 1, usage: { [Meter.INPUT_TOKENS]: 1n } }),
    underLease(metering, { attempt: 2, usage: dear }),
    underLease(metering, { attempt: 3, usage: null, result: AttemptResult.ORPHANED, rank: UsageSource.ORPHANED }),
    usageEvent({ attempt: 4, priceVersion: metering.priceVersion, usage: dear }),
  );
  expect((await take(metering)).postings.filter(({ deltaNanos }) => deltaNanos > bound)).toHaveLength(1);
  expect(await flagged()).toEqual([`weir_ledger_outgrown_holds_total{vendor="demo"} 1`]);
  await metering.record(underLease(metering, { attempt: 2, usage: dear }), underLease(metering, { attempt: 2, usage: dear, rank: UsageSource.IMPORTED }), underLease(metering, { attempt: 3, usage: dear }));
  expect(await flagged()).toEqual([`weir_ledger_outgrown_holds_total{vendor="demo"} 2`]);
});

test("all is told up to where every journal is, and a lost one has been posted", async () => {
  const metering = await startTestMetering();
  const tellsUpTo = async (): Promise<number> => timestampMs((await take(metering)).completeBeforeTime!);
  const report = (journalId: string, lowWaterMs: number, isClosed = false) =>
    metering.implementation.reportJournal(create(ReportJournalRequestSchema, { journalId, instance: journalId, lowWaterTime: timestampFromMs(lowWaterMs), isClosed }), testContext);

  expect(Math.abs((await tellsUpTo()) - (Date.now() - 10_000))).toBeLessThan(5_000);
  const longAgo = Date.now() - 3_600_000;
  await report("jrn_1", longAgo);
  await report("jrn_2", Date.now());
  expect(await tellsUpTo()).toBe(longAgo);
  await report("jrn_1", Date.now(), true);
  expect(await tellsUpTo()).toBeGreaterThan(longAgo);
});

test("who watches prices hears that all is well, as often as asked for", async () => {
  const { implementation } = await startTestMetering();
  const request = { heartbeatInterval: durationFromMs(100) };
  for (const watcher of [implementation.watchBoundPrices(create(WatchBoundPricesRequestSchema, request), testContext), implementation.watchPriceVersion(create(WatchPriceVersionRequestSchema, request), testContext)]) {
    const messages = watcher[Symbol.asyncIterator]();
    expect((await messages.next()).value).toMatchObject({ heartbeat: false });
    for (let beat = 0; beat < 2; beat++) expect((await messages.next()).value).toMatchObject({ heartbeat: true });
    await messages.return!();
  }
});

test("bounds are priced by the dearest that can hold", async () => {
  const { implementation, config } = await startTestMetering();
  const watcher = implementation.watchBoundPrices(create(WatchBoundPricesRequestSchema), testContext)[Symbol.asyncIterator]();
  const demo = async () => (await watcher.next()).value!.prices.find(({ name }: { name: string }) => name === "demo/demo-chat")!.rates.find(({ meter }: { meter: Meter }) => meter === Meter.INPUT_TOKENS)!.nanosPerMillion as bigint;
  expect(await demo()).toBeGreaterThan(0n);
  const told = demo();
  config.set({ ...config.current, prices: new Map([["demo/demo-chat", [{ rates: new Map([[Meter.INPUT_TOKENS, 77n]]) }]]]) });
  expect(await told).toBe(77n);
});
