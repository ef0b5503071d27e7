/** Owns what becomes of lost journals: those that fall silent are fenced, and what was open in them is posted as orphaned. */
import { setTimeout as pause } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { RecordUsageRequestSchema, type RecordUsageRequest, type RecordUsageResponse } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import { AttemptOutcomeSchema, AttemptResult, UsageEventSchema, type AttemptIntent, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { fenceSilentJournals, removeClosedJournals, removeOpenAttempts, selectLostWithOpenAttempts, selectOpenAttempts } from "./store/journals.ts";

export interface LostJournalsDependencies {
  readonly database: Database;
  /** After how long without a report a journal counts as lost. */
  readonly silenceMs: () => number;
  /** False while no report can come because of this side, as when NATS is away: that is nobody's silence. */
  readonly canHear: () => boolean;
  readonly record: (request: RecordUsageRequest) => Promise<RecordUsageResponse>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly checkIntervalMs?: number;
}

export interface LostJournals {
  /** Posts what was open in a lost journal; what the ledger knows better already stays as it is. Resolves to how many there were. */
  postOrphans(journalId: string): Promise<number>;
  stop(): Promise<void>;
}

const defaultCheckIntervalMs = 2_000;
const batchMaximum = 250;
/** How long the list still shows a journal that ended well. */
const closedForMs = 30 * 86_400_000;

/** Looks for silent journals until it is stopped. Silence counts only from when this process could have heard: not while it, the database or NATS was away. */
export function watchForLostJournals({ database, silenceMs, canHear, record, clock, logger, checkIntervalMs = defaultCheckIntervalMs }: LostJournalsDependencies): LostJournals {
  const stopping = new AbortController();
  let listeningSinceMs: number | undefined;
  const running = check();
  return {
    postOrphans,
    async stop() {
      stopping.abort();
      await running;
    },
  };

  async function check(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await fenceTheSilent();
        for (const journalId of await selectLostWithOpenAttempts(database)) await postOrphans(journalId);
        await removeClosedJournals(database, closedForMs);
      } catch (error) {
        listeningSinceMs = undefined;
        if (!stopping.signal.aborted) logger.warn({ error }, "lost journals cannot be looked for; it is tried again");
      }
      await pause(checkIntervalMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  async function fenceTheSilent(): Promise<void> {
    if (!canHear()) listeningSinceMs = undefined;
    else listeningSinceMs ??= clock.monotonicMs();
    if (listeningSinceMs === undefined || clock.monotonicMs() - listeningSinceMs < silenceMs()) return;
    for (const journal of await fenceSilentJournals(database, silenceMs(), `silent for more than ${silenceMs() / 1_000} s`)) {
      logger.error(journal, "a journal is silent for too long: it counts as lost, is fenced, and its open attempts stand as orphaned. What began in it after its last report is not known");
    }
  }

  async function postOrphans(journalId: string): Promise<number> {
    let posted = 0;
    for (;;) {
      const intents = await selectOpenAttempts(database, journalId, batchMaximum);
      if (intents.length === 0) break;
      await record(create(RecordUsageRequestSchema, { events: intents.map((intent) => orphanOf(intent, clock.now())) }));
      await removeOpenAttempts(database, journalId, intents.map(({ attemptId }) => attemptId));
      posted += intents.length;
    }
    if (posted > 0) logger.warn({ journalId, attempts: posted }, "the open attempts of a lost journal were posted as orphaned");
    return posted;
  }
}

function orphanOf(intent: AttemptIntent, nowMs: number): UsageEvent {
  const outcome = create(AttemptOutcomeSchema, { result: AttemptResult.ORPHANED, endTime: timestampFromMs(nowMs) });
  return create(UsageEventSchema, { intent, outcome, rank: UsageSource.ORPHANED });
}
