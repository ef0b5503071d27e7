/** Proves what metering is told of a journal, and what a journal does that was declared lost. */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, onTestFinished, test } from "vitest";
import { JournalState, ReportJournalResponseSchema, type ReportJournalRequest } from "#gen/weir/metering/v1/journal_pb.ts";
import { AttemptIntentSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { newId, timeOfId } from "#platform/ids.ts";
import { Journal, minimumJournalBytes } from "#platform/journal/journal.ts";
import { seededRandom, SimulatedDisk } from "#platform/journal/simulated-disk.ts";
import { createLogger } from "#platform/logger.ts";
import { JournalReporter } from "./journal-reporter.ts";

const nowMs = Date.UTC(2026, 10, 20);
const clock = { now: () => nowMs, monotonicMs: () => 0 };
const logger = createLogger("silent");

/** A reporter on a journal in memory, to which metering answers this of each report. */
async function startReporter(answer: (place: number) => JournalState | Error) {
  const { journal } = await Journal.open({
    directory: "/journal",
    maximumBytes: 16 * minimumJournalBytes,
    disk: new SimulatedDisk(seededRandom(1), Infinity),
    lock: () => ({ release: () => undefined }),
    newId: () => "jrn_first",
    logger,
    onBroken: () => undefined,
  });
  onTestFinished(() => journal.close());
  const reports: ReportJournalRequest[] = [];
  let fences = 0;
  const reporter = new JournalReporter({
    journal,
    registry: {
      async report(request) {
        const state = answer(reports.push(request) - 1);
        if (state instanceof Error) throw state;
        return create(ReportJournalResponseSchema, { state, openAttemptIds: request.isFirst ? knownBefore : [] });
      },
    },
    instance: "here/1",
    intervalMs: 5,
    onFenced: () => fences++,
    clock,
    logger,
  });
  const begin = async (id: string, route = ""): Promise<void> => {
    const bytes = toBinary(AttemptIntentSchema, create(AttemptIntentSchema, { attemptId: id, route }));
    await journal.begin(id, bytes);
    reporter.begun(id, bytes);
  };
  /** Resolves when so many more reports have come: what was done before is in all but the first of them. */
  const nextReports = async (count: number): Promise<void> => {
    const before = reports.length;
    await expect.poll(() => reports.length, { interval: 1 }).toBeGreaterThanOrEqual(before + count);
  };
  return { journal, reporter, reports, begin, nextReports, fences: () => fences };
}

/** What an earlier process has reported. */
const knownBefore: string[] = [];

const idAt = (timeMs: number): string => newId("att", { now: () => timeMs, monotonicMs: () => 0 });

test("an attempt is told when a report finds it open, again until metering has heard, and told off when it is confirmed", async () => {
  let isDeaf = true;
  const { journal, reporter, reports, begin, nextReports } = await startReporter(() => (isDeaf ? new Error("lost on the way") : JournalState.OPEN));
  const [old, short] = [idAt(nowMs - 90_000), idAt(nowMs)];
  await begin(short);
  await journal.settle(short, Buffer.of());
  reporter.settled(short);
  reporter.start();
  await nextReports(1);
  expect(reports[0]).toMatchObject({ journalId: "jrn_first", instance: "here/1", unconfirmed: 1n });

  journal.confirm([short]);
  await begin(old);
  await nextReports(3);
  expect(reports.at(-1)!.opened).toMatchObject([{ attemptId: old }]);
  isDeaf = false;
  await nextReports(3);
  expect(reports.at(-1)!.opened).toEqual([]);
  expect(timestampMs(reports.at(-1)!.lowWaterTime!)).toBe(timeOfId(old));

  await journal.settle(old, Buffer.of());
  reporter.settled(old);
  await nextReports(3);
  expect(reports.flatMap(({ closedAttemptIds }) => closedAttemptIds)).toEqual([]);
  journal.confirm([old]);
  await nextReports(3);
  expect(reports.flatMap(({ closedAttemptIds }) => closedAttemptIds)).toEqual([old]);
  expect(timestampMs(reports.at(-1)!.lowWaterTime!)).toBe(nowMs - 30_000);
  expect(reports.at(-1)!.isClosed).toBe(false);
  await reporter.stop();
  expect(reports.at(-1)!.isClosed).toBe(true);
});

test("more attempts than fit into one report go in several, none twice", async () => {
  const { reporter, reports, begin, nextReports } = await startReporter(() => JournalState.OPEN);
  const ids = Array.from({ length: 40 }, () => idAt(nowMs));
  for (const id of ids) await begin(id, "r".repeat(16_000));
  reporter.start();
  await nextReports(3);
  expect(reports.flatMap(({ opened }) => opened.map(({ attemptId }) => attemptId))).toEqual(ids);
  expect(reports.map(({ opened }) => opened.length).slice(0, 2)).toEqual([32, 8]);
  await reporter.stop();
});

test("what has ended is told, too, as long as the ledger has not confirmed it: a lost disk takes it along", async () => {
  const { journal, reporter, reports, begin, nextReports } = await startReporter(() => JournalState.OPEN);
  const ended = Array.from({ length: 600 }, () => idAt(nowMs));
  await Promise.all(ended.map((id) => begin(id)));
  await Promise.all(ended.map((id) => journal.settle(id, Buffer.of())));
  for (const id of ended) reporter.settled(id);
  reporter.start();
  await nextReports(4);
  expect(reports.flatMap(({ opened }) => opened.map(({ attemptId }) => attemptId))).toEqual(ended);
  expect(reports.map(({ opened }) => opened.length).slice(0, 3)).toEqual([500, 100, 0]);
  journal.confirm(ended);
  await nextReports(3);
  expect(reports.flatMap(({ closedAttemptIds }) => closedAttemptIds)).toEqual(ended);
  await reporter.stop();
});

test("what an earlier process has reported is told off when it is confirmed", async () => {
  const { journal, reporter, reports, begin, nextReports } = await startReporter(() => JournalState.OPEN);
  const [left, gone] = [idAt(nowMs), idAt(nowMs)];
  knownBefore.push(left, gone);
  await begin(left);
  await journal.settle(left, Buffer.of());
  reporter.settled(left);
  reporter.start();
  await nextReports(3);
  expect(reports.flatMap(({ closedAttemptIds }) => closedAttemptIds)).toEqual([gone]);
  journal.confirm([left]);
  await nextReports(3);
  expect(reports.flatMap(({ closedAttemptIds }) => closedAttemptIds)).toEqual([gone, left]);
  expect(reports.filter(({ isFirst }) => isFirst)).toHaveLength(1);
  await reporter.stop();
});

test("a journal that was lost before this process came goes on under a new id", async () => {
  const { journal, reporter, reports, nextReports, fences } = await startReporter((place) => (place === 0 ? JournalState.LOST : JournalState.OPEN));
  reporter.start();
  await nextReports(2);
  expect(reports[0]!.journalId).toBe("jrn_first");
  expect(reports[1]!.journalId).toBe(journal.id);
  expect(journal.id).not.toBe("jrn_first");
  expect(fences()).toBe(0);
  await reporter.stop();
});

test("a journal that is declared lost under its process is fenced, and nothing more is said of it", async () => {
  const { journal, reporter, reports, fences } = await startReporter((place) => (place === 1 ? JournalState.LOST : JournalState.OPEN));
  reporter.start();
  await expect.poll(fences).toBe(1);
  await reporter.stop();
  expect(reports).toHaveLength(2);
  expect(journal.id).toBe("jrn_first");
});
