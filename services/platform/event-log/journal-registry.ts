/** Owns what a way to metering's register of journals must do, whatever it is: a call, or a message through the broker. */
import type { ReportJournalRequest, ReportJournalResponse } from "#gen/weir/metering/v1/journal_pb.ts";

export interface JournalRegistry {
  /** Hands a report over and resolves with metering's answer. Rejects when none comes; then nothing is known of it, and the same may be said again. */
  report(request: ReportJournalRequest, signal: AbortSignal): Promise<ReportJournalResponse>;
}
