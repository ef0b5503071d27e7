/** Proves that a journal is known from its first report, and that of a lost one nothing is taken and nothing is missing. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import {
  DeclareJournalLostRequestSchema,
  JournalState,
  ListJournalsRequestSchema,
  ReportJournalRequestSchema,
  type Journal,
  type ReportJournalRequest,
} from "#gen/weir/metering/v1/journal_pb.ts";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { AttemptResult, UsageEventSchema, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { createLogger } from "#platform/logger.ts";
import { watchForLostJournals } from "./lost-journals.ts";
import { attemptIdAt, startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

const lowWater = timestampFromMs(testNowMs - 30_000);

async function report({ implementation }: TestMetering, journalId: string, rest: Partial<Pick<ReportJournalRequest, "opened" | "closedAttemptIds" | "isClosed" | "unconfirmed">> = {}): Promise<JournalState> {
  return (await implementation.reportJournal(create(ReportJournalRequestSchema, { journalId, instance: "one", lowWaterTime: lowWater, ...rest }), testContext)).state;
}

async function journals({ implementation }: TestMetering, onlyOpen = false): Promise<Journal[]> {
  return (await implementation.listJournals(create(ListJournalsRequestSchema, { onlyOpen }), testContext)).journals;
}

async function lines({ implementation }: TestMetering): Promise<Record<string, AttemptResult>> {
  const { attempts } = await implementation.listAttempts(create(ListAttemptsRequestSchema), testContext);
  return Object.fromEntries(attempts.map(({ event }) => [event!.intent!.attemptId, event!.outcome!.result]));
}

function intents(...attempts: number[]) {
  return attempts.map((attempt) => usageEvent({ attempt }).intent!);
}

function fromJournal(journalId: string, event: UsageEvent): UsageEvent {
  return create(UsageEventSchema, { ...event, journalId });
}

const id = (attempt: number): string => attemptIdAt(testNowMs, attempt);

test("a journal is registered by its first report, says what is open in it, and ends", async () => {
  const metering = await startTestMetering();
  expect(await report(metering, "jrn_1", { opened: intents(1, 2), unconfirmed: 7n })).toBe(JournalState.OPEN);
  expect(await report(metering, "jrn_1", { opened: intents(2, 3), closedAttemptIds: [id(1)], unconfirmed: 5n })).toBe(JournalState.OPEN);
  expect(await journals(metering)).toMatchObject([{ journalId: "jrn_1", instance: "one", state: JournalState.OPEN, lowWaterTime: lowWater, unconfirmed: 5n, openAttempts: 2n }]);
  const first = create(ReportJournalRequestSchema, { journalId: "jrn_1", isFirst: true, lowWaterTime: lowWater, instance: "one", unconfirmed: 5n });
  expect((await metering.implementation.reportJournal(first, testContext)).openAttemptIds).toEqual([id(2), id(3)]);
  expect(await report(metering, "jrn_1", { closedAttemptIds: [id(2)], isClosed: true })).toBe(JournalState.CLOSED);
  expect(await journals(metering)).toMatchObject([{ state: JournalState.CLOSED, openAttempts: 0n }]);
  expect(await journals(metering, true)).toEqual([]);
});

test("a journal declared lost is fenced: its open attempts stand as orphans, what it writes is refused, and its truth counts under another id", async () => {
  const metering = await startTestMetering();
  await report(metering, "jrn_1", { opened: intents(1, 2) });
  await report(metering, "jrn_2", { opened: intents(3) });
  // The end of this one has come already.
  await metering.record(fromJournal("jrn_1", usageEvent({ attempt: 2 })));

  const declare = () => metering.implementation.declareJournalLost(create(DeclareJournalLostRequestSchema, { journalId: "jrn_1", reason: "the disk is gone" }), testContext);
  expect(await declare()).toMatchObject({ journal: { state: JournalState.LOST, lostReason: "the disk is gone", openAttempts: 0n }, postedAttempts: 2n });
  expect(await lines(metering)).toEqual({ [id(1)]: AttemptResult.ORPHANED, [id(2)]: AttemptResult.SUCCEEDED });

  expect(await report(metering, "jrn_1", { opened: intents(4) })).toBe(JournalState.LOST);
  const late = fromJournal("jrn_1", usageEvent({ attempt: 1 }));
  expect(await metering.record(late, fromJournal("jrn_2", usageEvent({ attempt: 3 })))).toMatchObject({ confirmedAttemptIds: [id(3)], rejected: [], fencedAttemptIds: [id(1)] });
  expect(await lines(metering)).toEqual({ [id(1)]: AttemptResult.ORPHANED, [id(2)]: AttemptResult.SUCCEEDED, [id(3)]: AttemptResult.SUCCEEDED });

  expect(await metering.record(fromJournal("jrn_3", late))).toMatchObject({ confirmedAttemptIds: [id(1)], fencedAttemptIds: [] });
  expect(await lines(metering)).toMatchObject({ [id(1)]: AttemptResult.SUCCEEDED });
  expect(await declare()).toMatchObject({ journal: { state: JournalState.LOST }, postedAttempts: 0n });
});

test("a journal that nobody has heard of cannot be lost", async () => {
  const metering = await startTestMetering();
  const declared = metering.implementation.declareJournalLost(create(DeclareJournalLostRequestSchema, { journalId: "jrn_none" }), testContext);
  await expect(declared).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("a silent journal is lost after the bound; the silence of who listens does not count", async () => {
  const metering = await startTestMetering();
  const { database } = metering;
  await report(metering, "jrn_silent", { opened: intents(1) });
  await database.query("update journals set report_time = now() - interval '1 hour'");
  await report(metering, "jrn_alive", { opened: intents(2) });

  let canHear = false;
  let nowMs = 0;
  let checks = 0;
  const lost = watchForLostJournals({
    database,
    silenceMs: () => 60_000,
    canHear: () => {
      checks++;
      return canHear;
    },
    record: (request) => metering.implementation.recordUsage(request, testContext),
    clock: { now: () => testNowMs, monotonicMs: () => nowMs },
    logger: createLogger("silent"),
    checkIntervalMs: 5,
  });
  const check = (): Promise<void> => {
    const before = checks;
    return expect.poll(() => checks, { interval: 5 }).toBeGreaterThan(before + 4);
  };
  await check();
  canHear = true;
  await check();
  nowMs = 59_000;
  await check();
  expect((await journals(metering, true)).length).toBe(2);
  nowMs = 61_000;
  await expect.poll(() => lines(metering)).toEqual({ [id(1)]: AttemptResult.ORPHANED });
  expect(await journals(metering)).toMatchObject([
    { journalId: "jrn_silent", state: JournalState.LOST, lostReason: "silent for more than 60 s" },
    { journalId: "jrn_alive", state: JournalState.OPEN },
  ]);
  await lost.stop();
});
