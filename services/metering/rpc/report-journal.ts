/** Owns ReportJournal: a journal is registered by its first report, and its open attempts are known from then on. */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { JournalState, ReportJournalResponseSchema, type ReportJournalRequest, type ReportJournalResponse } from "#gen/weir/metering/v1/journal_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { addOpenAttempts, removeOpenAttempts, saveReport } from "../store/journals.ts";

/** The same report twice changes nothing. */
export async function reportJournal(database: Database, request: ReportJournalRequest): Promise<ReportJournalResponse> {
  const { journalId, instance, lowWaterTime, unconfirmed, opened, closedAttemptIds, isClosed } = request;
  const report = { journalId, instance, unconfirmed, isClosed, lowWaterMs: lowWaterTime === undefined ? 0 : timestampMs(lowWaterTime) };
  const state = await database.transaction(async (transaction) => {
    const saved = await saveReport(transaction, report);
    if (saved === JournalState.LOST) return saved;
    await addOpenAttempts(transaction, journalId, opened);
    await removeOpenAttempts(transaction, journalId, closedAttemptIds);
    return saved;
  });
  return create(ReportJournalResponseSchema, { state });
}
