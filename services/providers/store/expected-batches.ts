/** Owns the batches of which the ledger has not heard what they consumed: noted before the vendor sees a byte, forgotten when the ledger has confirmed. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { AttemptIntentSchema, type AttemptIntent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import type { BatchAccount } from "./made-batches.ts";

export interface ExpectedBatch {
  readonly intent: AttemptIntent;
  /** Whose credential makes it: an organization's, or (empty) the installation's. */
  readonly credentialOrganizationId: string;
  readonly beginTimeMs: number;
  /** What the vendor calls it; empty while that is not known, and of batches that bear the attempt's id there. */
  readonly vendorId: string;
}

interface BatchRow {
  intent: Buffer;
  credential_organization_id: string;
  begin_time: Date;
  vendor_id: string;
}

const columns = "intent, credential_organization_id, begin_time, vendor_id";

export async function insertBatch(database: Queryable, { intent, credentialOrganizationId, beginTimeMs }: Omit<ExpectedBatch, "vendorId">, lookTime: Date): Promise<void> {
  await database.query("INSERT INTO batches (attempt_id, provider, intent, begin_time, look_time, credential_organization_id) VALUES ($1, $2, $3, $4, $5, $6)", [
    intent.attemptId,
    intent.provider,
    toBinary(AttemptIntentSchema, intent),
    new Date(beginTimeMs),
    lookTime,
    credentialOrganizationId,
  ]);
}

/** Those that are to be looked for now, of which other processes are to look for none before the next time. */
export async function claimBatches(database: Queryable, now: Date, nextLookTime: Date, limit: number): Promise<ExpectedBatch[]> {
  const { rows } = await database.query<BatchRow>(
    `UPDATE batches SET look_time = $2
     WHERE attempt_id IN (SELECT attempt_id FROM batches WHERE look_time <= $1 ORDER BY look_time LIMIT $3 FOR UPDATE SKIP LOCKED)
     RETURNING ${columns}`,
    [now, nextLookTime, limit],
  );
  return rows.map(readRow);
}

/** Undefined when the ledger has heard of it, or it is none of this installation's. */
export async function selectBatch(database: Queryable, attemptId: string): Promise<ExpectedBatch | undefined> {
  const { rows } = await database.query<BatchRow>(`SELECT ${columns} FROM batches WHERE attempt_id = $1`, [attemptId]);
  return rows[0] && readRow(rows[0]);
}

/** The same by what the vendor calls it there. */
export async function selectBatchCalled(database: Queryable, vendorId: string, { provider, credentialOrganizationId }: BatchAccount): Promise<ExpectedBatch | undefined> {
  const { rows } = await database.query<BatchRow>(`SELECT ${columns} FROM batches WHERE vendor_id = $1 AND provider = $2 AND credential_organization_id = $3`, [vendorId, provider, credentialOrganizationId]);
  return rows[0] && readRow(rows[0]);
}

export async function deleteBatch(database: Queryable, attemptId: string): Promise<void> {
  await database.query("DELETE FROM batches WHERE attempt_id = $1", [attemptId]);
}

function readRow({ intent, credential_organization_id, begin_time, vendor_id }: BatchRow): ExpectedBatch {
  return { intent: fromBinary(AttemptIntentSchema, intent), credentialOrganizationId: credential_organization_id, beginTimeMs: begin_time.getTime(), vendorId: vendor_id };
}
