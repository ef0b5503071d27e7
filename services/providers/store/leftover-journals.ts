/** Owns taking over the journals that ended processes left: each is brought to the ledger and closed, beside this process's own. */
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "#platform/logger.ts";
import type { AttemptRecorder, JournalPlace } from "./attempt-recorder.ts";

/** A journal's folder that is this process's for a while. */
export interface ClaimedJournal extends JournalPlace {
  release(): void;
}

export interface LeftoverJournalsOptions {
  /** Takes a folder that no process has and in which a journal was left; undefined when there is none. */
  readonly claim: () => Promise<ClaimedJournal | undefined>;
  readonly open: (claimed: ClaimedJournal) => Promise<AttemptRecorder>;
  readonly logger: Logger;
}

/** A process that is started anew takes its folder itself meanwhile. */
const firstLookMs = 5_000;
const lookIntervalMs = 30_000;
const drainMs = 1_000;

export function adoptLeftoverJournals({ claim, open, logger }: LeftoverJournalsOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = lookAround();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };

  async function lookAround(): Promise<void> {
    for (let restMs = firstLookMs; ; restMs = lookIntervalMs) {
      await pause(restMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      try {
        for (let claimed = await claim(); claimed !== undefined && !stopping.signal.aborted; claimed = await claim()) await adopt(claimed);
      } catch (error) {
        logger.error({ error }, "a journal that an ended process left cannot be taken over; it stays where it is, and is tried again");
      }
    }
  }

  async function adopt(claimed: ClaimedJournal): Promise<void> {
    const { instance, directory } = claimed;
    try {
      const recorder = await open(claimed);
      logger.warn({ instance, directory, attempts: recorder.pending }, "the journal of an ended process is taken over: its open attempts are orphaned, and what the ledger has not confirmed is sent");
      while (!stopping.signal.aborted && (await recorder.drain(drainMs)) > 0);
      await recorder.stop();
    } finally {
      claimed.release();
    }
  }
}
