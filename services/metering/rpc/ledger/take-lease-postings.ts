/** Owns TakeLeasePostings: what was posted for attempts under leases, until policy confirms that it has it. */
import { setTimeout as pause } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { TakeLeasePostingsResponseSchema, type TakeLeasePostingsRequest, type TakeLeasePostingsResponse } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { deleteLeasePostings, selectCompleteBefore, selectLeasePostings } from "../../store/lease-postings.ts";

const batchMaximum = 1_000;
const lookEveryMs = 100;
/** A process that has just begun may have attempts under way, and its journal is not known yet. */
const firstReportMs = 10_000;

/** Answers at once when there is something, else after the wait with how far all is told. */
export async function takeLeasePostings(database: Database, { confirmedPostingIds, maxWait }: TakeLeasePostingsRequest, signal: AbortSignal): Promise<TakeLeasePostingsResponse> {
  await deleteLeasePostings(database, confirmedPostingIds);
  for (let leftMs = maxWait === undefined ? 0 : durationMs(maxWait); ; leftMs -= lookEveryMs) {
    // Read before the postings: whatever it speaks of stands when they are read.
    const completeBefore = await selectCompleteBefore(database, firstReportMs);
    const postings = await selectLeasePostings(database, batchMaximum);
    if (postings.length > 0 || leftMs <= 0 || signal.aborted) {
      const isAll = postings.length < batchMaximum;
      return create(TakeLeasePostingsResponseSchema, { postings, ...(isAll && { completeBeforeTime: timestampFromDate(completeBefore) }) });
    }
    await pause(Math.min(lookEveryMs, leftMs), undefined, { signal }).catch(() => undefined);
  }
}
