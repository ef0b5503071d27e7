/** Owns RecordContent: each call's content sealed under its organization's key, with its digest in the audit log, in one transaction. */
import { createHash, createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { AuditRecordSchema, type AuditRecord } from "#gen/weir/metering/v1/audit_pb.ts";
import { RecordContentResponseSchema, type RecordContentRequest, type RecordContentResponse, CallContentSchema, type CallContent } from "#gen/weir/metering/v1/content_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import { seal, unseal } from "#platform/secrets/seal.ts";
import { appendAuditIn } from "../../store/audit-log.ts";
import { holdKey, insertContent, insertKey, nextKeyVersion } from "../../store/contents.ts";

const method = `${MeteringService.typeName}/${MeteringService.method.recordContent.name}`;

export async function recordContent(database: Database, installationKey: KeyObject | undefined, { contents }: RecordContentRequest): Promise<RecordContentResponse> {
  const key = keyOf(installationKey);
  await database.transaction(async (transaction) => {
    const records: AuditRecord[] = [];
    const byOrganization = Map.groupBy(contents, ({ organizationId }) => organizationId);
    for (const organizationId of [...byOrganization.keys()].toSorted()) {
      const { version, dataKey } = await dataKeyOf(transaction, organizationId, key);
      for (const content of byOrganization.get(organizationId)!) {
        const sealed = seal(toBinary(CallContentSchema, content), dataKey, placeOf(organizationId, content.callId, version));
        if (await insertContent(transaction, organizationId, content.callId, version, sealed)) records.push(recordOf(content, sealed));
      }
    }
    await appendAuditIn(transaction, records);
  });
  return create(RecordContentResponseSchema);
}

/** Throws INVALID_REQUEST where no key is configured. */
export function keyOf(installationKey: KeyObject | undefined): KeyObject {
  if (installationKey !== undefined) return installationKey;
  throw new GatewayError("INVALID_REQUEST", "No content can be kept or read: content.key is not set in weir.yaml of the process that runs metering.");
}

export function placeOf(organizationId: string, callId: string, version: number): readonly (string | number)[] {
  return ["content", organizationId, callId, version];
}

/** Throws INTERNAL when the key was wrapped by another installation key. */
export function unwrap(wrapped: Buffer, organizationId: string, version: number, installationKey: KeyObject): KeyObject {
  const plain = unseal(wrapped, installationKey, ["key", organizationId, version]);
  if (plain === undefined) throw new GatewayError("INTERNAL", `The data key of ${organizationId} does not open with content.key: it is another one than when that was made. Put the former one back.`);
  return createSecretKey(plain);
}

async function dataKeyOf(transaction: Queryable, organizationId: string, installationKey: KeyObject): Promise<{ version: number; dataKey: KeyObject }> {
  const held = await holdKey(transaction, organizationId);
  if (held !== undefined) return { version: held.version, dataKey: unwrap(held.wrapped, organizationId, held.version, installationKey) };
  const version = await nextKeyVersion(transaction, organizationId);
  // Somebody else may have made it meanwhile.
  const made = await holdKey(transaction, organizationId);
  if (made !== undefined) return { version: made.version, dataKey: unwrap(made.wrapped, organizationId, made.version, installationKey) };
  const plain = randomBytes(32);
  await insertKey(transaction, organizationId, { version, wrapped: seal(plain, installationKey, ["key", organizationId, version]) });
  return { version, dataKey: createSecretKey(plain) };
}

function recordOf({ organizationId, callId, keyId, operation, requestBytes, replyBytes }: CallContent, sealed: Buffer): AuditRecord {
  const requestJson = JSON.stringify({ operation, requestBytes: Number(requestBytes), replyBytes: Number(replyBytes), sha256: createHash("sha256").update(sealed).digest("hex") });
  return create(AuditRecordSchema, { organizationId, callId, actor: keyId, actorOrganizationId: organizationId, method, requestJson, outcome: "ok" });
}
