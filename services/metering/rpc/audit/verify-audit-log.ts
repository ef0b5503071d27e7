/** Owns VerifyAuditLog. */
import { create } from "@bufbuild/protobuf";
import { AuditFaultSchema, VerifyAuditLogResponseSchema, type VerifyAuditLogRequest, type VerifyAuditLogResponse, AuditHeadSchema, type AuditHead } from "#gen/weir/metering/v1/audit_pb.ts";
import type { Database } from "#platform/database/database.ts";
import type { StoredHead } from "../../store/audit-log.ts";
import { verifyAuditLog as verify } from "../../verify-audit-log.ts";
import { anchorMessage } from "./audit-anchor.ts";

export async function verifyAuditLog(database: Database, request: VerifyAuditLogRequest, signal: AbortSignal): Promise<VerifyAuditLogResponse> {
  const { organizationId } = request;
  // Of whoever reaches one organization, what is said of another one is neither asked nor answered.
  const knownHeads = request.knownHeads.filter((head) => organizationId === "" || head.organizationId === organizationId).map(toStored);
  const { entries, heads, anchors, faults } = await verify(database, organizationId, knownHeads, signal);
  return create(VerifyAuditLogResponseSchema, { entries, heads: heads.map(toMessage), anchors: anchors.map(anchorMessage), faults: faults.map((fault) => create(AuditFaultSchema, fault)) });
}

function toStored({ organizationId, sequence, hash }: AuditHead): StoredHead {
  return { organization_id: organizationId, sequence, hash: Buffer.from(hash, "hex") };
}

function toMessage({ organization_id, sequence, hash }: StoredHead): AuditHead {
  return create(AuditHeadSchema, { organizationId: organization_id, sequence, hash: hash.toString("hex") });
}
