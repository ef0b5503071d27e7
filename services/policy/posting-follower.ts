/** Owns bringing the ledger's postings onto the books of budgets, and closing leases of which nothing more can come. */
import { setTimeout as pause } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { TakeLeasePostingsRequestSchema } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { keepTrying } from "#platform/keep-trying.ts";
import type { Logger } from "#platform/logger.ts";
import type { BudgetAlerts } from "./budget-alerts.ts";
import type { PolicyPeers } from "./peers.ts";
import { closeLeases, forgetLeases } from "./store/leases.ts";
import { applyPostings, findProgress } from "./store/posting-progress.ts";

export interface PostingFollowerDependencies {
  readonly database: Database;
  readonly peers: PolicyPeers;
  readonly logger: Logger;
  /** Told when there may be more room. */
  readonly onSettled: () => void;
  readonly alerts: BudgetAlerts;
}

export interface PostingFollower {
  /** Resolves when nothing of it is left running. */
  stop(): Promise<void>;
}

const maxWaitMs = 1_000;
/** How far the clocks of machines may be apart before a lease is closed too early; what is posted later counts all the same. */
const clockSkewMs = 10_000;
const closedAtOnce = 1_000;
/** Postings come many times a second; what is closed or forgotten has waited for long. */
const sweepIntervalMs = 1_000;
/** Corrections of older attempts do not count any more. */
const rememberedMs = 90 * 86_400_000;

/** Policy processes take turns as it comes: of those that hold the same postings, one applies them. */
export function followPostings({ database, peers: { metering }, logger, onSettled, alerts }: PostingFollowerDependencies): PostingFollower {
  const stopping = new AbortController();
  const { signal } = stopping;
  let sweptMs = -Infinity;
  const onFailure = (error: unknown, retryInMs: number): void => logger.warn({ error, retryInMs }, "postings cannot be taken from the ledger; what budgets hold stays held until they can");
  const running = keepTrying(follow, { signal, onFailure });
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };

  async function follow(goesWell: () => void): Promise<void> {
    const mayHaveMore = await takeSome();
    goesWell();
    if (!mayHaveMore) await pause(maxWaitMs, undefined, { signal }).catch(() => undefined);
  }

  /** False when nothing is to be expected soon: without leases only a correction, or where another process is at it. */
  async function takeSome(): Promise<boolean> {
    const progress = await findProgress(database);
    const request = create(TakeLeasePostingsRequestSchema, { confirmedPostingIds: [...progress.postingIds], maxWait: durationFromMs(progress.hasOpenLeases ? maxWaitMs : 0) });
    const { postings, completeBeforeTime } = await metering.takeLeasePostings(request, { identity: { kind: "service", name: "policy" }, requestId: "", signal });
    if (postings.length > 0 || progress.postingIds.length > 0) {
      const crossings = await database.transaction(async (transaction) => {
        if (!(await applyPostings(transaction, progress, postings))) return undefined;
        return alerts.noteOfLeases(transaction, postings.map(({ leaseId }) => leaseId));
      });
      if (crossings === undefined) return false;
      alerts.announce(crossings);
    }
    if (postings.length > 0) onSettled();
    if (completeBeforeTime !== undefined && performance.now() - sweptMs >= sweepIntervalMs) await sweep(timestampMs(completeBeforeTime));
    return progress.hasOpenLeases || postings.length > 0;
  }

  async function sweep(completeBeforeMs: number): Promise<void> {
    sweptMs = performance.now();
    const closed = await closeLeases(database, new Date(completeBeforeMs - clockSkewMs), closedAtOnce);
    if (closed > 0) onSettled();
    await forgetLeases(database, new Date(Date.now() - rememberedMs), closedAtOnce);
  }
}
