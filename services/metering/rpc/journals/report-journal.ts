/** Owns ReportJournal: a journal is registered by its first report, and its open attempts are known from then on. */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { JournalState, ReportJournalResponseSchema, type ReportJournalRequest, type ReportJournalResponse } from "#gen/weir/metering/v1/journal_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { addOpenAttempts, removeAllOpenAttempts, removeOpenAttempts, saveReport, selectOpenAttemptIds } from "../../store/journals.ts";

/** An answer fits into a message of NATS; what is beyond leaves when the journal ends. */
const maximumIds = 20_000;

/** The same report twice changes nothing. */
export async function reportJournal(database: Database, request: ReportJournalRequest): Promise<ReportJournalResponse> {
  const { journalId, instance, lowWaterTime, unconfirmed, opened, closedAttemptIds, isClosed, isFirst } = request;
  const report = { journalId, instance, unconfirmed, isClosed, lowWaterMs: lowWaterTime === undefined ? 0 : timestampMs(lowWaterTime) };
  return database.transaction(async (transaction) => {
    const state = await saveReport(transaction, report);
    if (state === JournalState.LOST) return create(ReportJournalResponseSchema, { state });
    await addOpenAttempts(transaction, journalId, opened);
    await removeOpenAttempts(transaction, journalId, closedAttemptIds);
    if (isClosed) await removeAllOpenAttempts(transaction, journalId);
    return create(ReportJournalResponseSchema, { state, openAttemptIds: isFirst ? await selectOpenAttemptIds(transaction, journalId, maximumIds) : [] });
  });
}
