/** Owns RecordAudit: durable when it returns. */
import { create } from "@bufbuild/protobuf";
import { RecordAuditResponseSchema, type RecordAuditRequest, type RecordAuditResponse } from "#gen/weir/metering/v1/audit_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { appendAudit } from "../../store/audit-log.ts";

export async function recordAudit(database: Database, { records }: RecordAuditRequest): Promise<RecordAuditResponse> {
  await appendAudit(database, records);
  return create(RecordAuditResponseSchema);
}
