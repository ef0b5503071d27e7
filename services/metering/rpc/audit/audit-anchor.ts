/** Owns the message of where a log begins whose older entries are gone. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AuditAnchorSchema, type AuditAnchor } from "#gen/weir/metering/v1/audit_pb.ts";
import type { StoredAnchor } from "../../store/audit-log.ts";

export function anchorMessage({ organization_id: organizationId, sequence, hash, record_time }: StoredAnchor): AuditAnchor {
  return create(AuditAnchorSchema, { organizationId, sequence, hash: hash.toString("hex"), recordTime: timestampFromDate(record_time) });
}
