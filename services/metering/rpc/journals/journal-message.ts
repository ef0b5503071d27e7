/** Owns a journal as a message. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JournalSchema, type Journal } from "#gen/weir/metering/v1/journal_pb.ts";
import type { JournalRow } from "../../store/journals.ts";

export function journalMessage(row: JournalRow): Journal {
  return create(JournalSchema, {
    journalId: row.journal_id,
    instance: row.instance,
    state: row.state,
    registerTime: timestampFromDate(row.register_time),
    reportTime: timestampFromDate(row.report_time),
    lowWaterTime: timestampFromDate(row.low_water_time),
    unconfirmed: row.unconfirmed,
    openAttempts: row.open_attempts,
    lostReason: row.lost_reason,
    ...(row.lost_time === null ? {} : { lostTime: timestampFromDate(row.lost_time) }),
  });
}
