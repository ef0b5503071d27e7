/** Owns the batches of which the ledger has not heard what they consumed: noted before the vendor sees a byte, forgotten when the ledger has confirmed. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { AttemptIntentSchema, type AttemptIntent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Queryable } from "#platform/database/database.ts";

export interface ExpectedBatch {
  readonly intent: AttemptIntent;
  readonly beginTimeMs: number;
}

interface BatchRow {
  intent: Buffer;
  begin_time: Date;
}

export async function insertBatch(database: Queryable, intent: AttemptIntent, beginTime: Date, lookTime: Date): Promise<void> {
  await database.query("INSERT INTO batches (attempt_id, provider, intent, begin_time, look_time) VALUES ($1, $2, $3, $4, $5)", [
    intent.attemptId,
    intent.provider,
    toBinary(AttemptIntentSchema, intent),
    beginTime,
    lookTime,
  ]);
}

/** Those that are to be looked for now, of which other processes are to look for none before the next time. */
export async function claimBatches(database: Queryable, now: Date, nextLookTime: Date, limit: number): Promise<ExpectedBatch[]> {
  const { rows } = await database.query<BatchRow>(
    `UPDATE batches SET look_time = $2
     WHERE attempt_id IN (SELECT attempt_id FROM batches WHERE look_time <= $1 ORDER BY look_time LIMIT $3 FOR UPDATE SKIP LOCKED)
     RETURNING intent, begin_time`,
    [now, nextLookTime, limit],
  );
  return rows.map(readRow);
}

/** Undefined when the ledger has heard of it, or it is none of this installation's. */
export async function selectBatch(database: Queryable, attemptId: string): Promise<ExpectedBatch | undefined> {
  const { rows } = await database.query<BatchRow>("SELECT intent, begin_time FROM batches WHERE attempt_id = $1", [attemptId]);
  return rows[0] && readRow(rows[0]);
}

export async function deleteBatch(database: Queryable, attemptId: string): Promise<void> {
  await database.query("DELETE FROM batches WHERE attempt_id = $1", [attemptId]);
}

function readRow({ intent, begin_time }: BatchRow): ExpectedBatch {
  return { intent: fromBinary(AttemptIntentSchema, intent), beginTimeMs: begin_time.getTime() };
}
