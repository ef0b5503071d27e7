/** Owns what metering knows of the emitters' journals: how far each is, which are lost, and what would be orphaned with them. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { JournalState } from "#gen/weir/metering/v1/journal_pb.ts";
import { AttemptIntentSchema, type AttemptIntent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Queryable } from "#platform/database/database.ts";

export interface JournalReport {
  readonly journalId: string;
  readonly instance: string;
  readonly lowWaterMs: number;
  readonly unconfirmed: bigint;
  readonly isClosed: boolean;
}

export interface JournalRow {
  readonly journal_id: string;
  readonly instance: string;
  readonly state: JournalState;
  readonly register_time: Date;
  readonly report_time: Date;
  readonly low_water_time: Date;
  readonly unconfirmed: bigint;
  readonly lost_time: Date | null;
  readonly lost_reason: string;
  readonly open_attempts: bigint;
}

const journalColumns = `journal_id, instance, state, register_time, report_time, low_water_time, unconfirmed, lost_time, lost_reason,
  (select count(*) from open_attempts where open_attempts.journal_id = journals.journal_id) as open_attempts`;

/** Takes a report, and returns the journal's state; of a lost journal nothing changes. */
export async function saveReport(queryable: Queryable, { journalId, instance, lowWaterMs, unconfirmed, isClosed }: JournalReport): Promise<JournalState> {
  const state = isClosed ? JournalState.CLOSED : JournalState.OPEN;
  const { rowCount } = await queryable.query(
    `insert into journals (journal_id, instance, state, low_water_time, unconfirmed) values ($1, $2, $3, $4, $5)
     on conflict (journal_id) do update
       set instance = excluded.instance, state = excluded.state, report_time = now(), low_water_time = excluded.low_water_time, unconfirmed = excluded.unconfirmed
       where journals.state <> ${JournalState.LOST}`,
    [journalId, instance, state, new Date(lowWaterMs), unconfirmed],
  );
  return rowCount === 0 ? JournalState.LOST : state;
}

export async function addOpenAttempts(queryable: Queryable, journalId: string, intents: readonly AttemptIntent[]): Promise<void> {
  if (intents.length === 0) return;
  await queryable.query("insert into open_attempts (journal_id, attempt_id, intent) select $1, * from unnest($2::text[], $3::bytea[]) on conflict do nothing", [
    journalId,
    intents.map(({ attemptId }) => attemptId),
    intents.map((intent) => Buffer.from(toBinary(AttemptIntentSchema, intent))),
  ]);
}

export async function removeOpenAttempts(queryable: Queryable, journalId: string, attemptIds: readonly string[]): Promise<void> {
  if (attemptIds.length === 0) return;
  await queryable.query("delete from open_attempts where journal_id = $1 and attempt_id = any($2::text[])", [journalId, attemptIds]);
}

export async function removeAllOpenAttempts(queryable: Queryable, journalId: string): Promise<void> {
  await queryable.query("delete from open_attempts where journal_id = $1", [journalId]);
}

export async function selectOpenAttemptIds(queryable: Queryable, journalId: string, limit: number): Promise<string[]> {
  const { rows } = await queryable.query<{ attempt_id: string }>("select attempt_id from open_attempts where journal_id = $1 order by attempt_id limit $2", [journalId, limit]);
  return rows.map(({ attempt_id: attemptId }) => attemptId);
}

export async function selectOpenAttempts(queryable: Queryable, journalId: string, limit: number): Promise<AttemptIntent[]> {
  const { rows } = await queryable.query<{ intent: Buffer }>("select intent from open_attempts where journal_id = $1 order by attempt_id limit $2", [journalId, limit]);
  return rows.map(({ intent }) => fromBinary(AttemptIntentSchema, intent));
}

/** Fences an open journal: from now on it counts as lost. False when it is none, or not open. */
export async function fenceJournal(queryable: Queryable, journalId: string, reason: string): Promise<boolean> {
  const { rowCount } = await queryable.query(
    `update journals set state = ${JournalState.LOST}, lost_time = now(), lost_reason = $2 where journal_id = $1 and state = ${JournalState.OPEN}`,
    [journalId, reason],
  );
  return rowCount === 1;
}

/** Fences the open journals that have been silent for so long, and returns them. */
export async function fenceSilentJournals(queryable: Queryable, silenceMs: number, reason: string): Promise<readonly { readonly journalId: string; readonly instance: string; readonly lastReportTime: Date }[]> {
  const { rows } = await queryable.query<{ journal_id: string; instance: string; report_time: Date }>(
    `update journals set state = ${JournalState.LOST}, lost_time = now(), lost_reason = $2
     where state = ${JournalState.OPEN} and report_time < now() - $1 * interval '1 millisecond'
     returning journal_id, instance, report_time`,
    [silenceMs, reason],
  );
  return rows.map(({ journal_id: journalId, instance, report_time: lastReportTime }) => ({ journalId, instance, lastReportTime }));
}

/** Those of the journals that are lost. */
export async function selectLost(queryable: Queryable, journalIds: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await queryable.query<{ journal_id: string }>(`select journal_id from journals where journal_id = any($1::text[]) and state = ${JournalState.LOST}`, [journalIds]);
  return new Set(rows.map(({ journal_id: journalId }) => journalId));
}

/** Lost journals whose open attempts have not all been posted. */
export async function selectLostWithOpenAttempts(queryable: Queryable): Promise<string[]> {
  const { rows } = await queryable.query<{ journal_id: string }>(`select distinct journal_id from open_attempts join journals using (journal_id) where state = ${JournalState.LOST}`);
  return rows.map(({ journal_id: journalId }) => journalId);
}

export async function removeClosedJournals(queryable: Queryable, olderThanMs: number): Promise<void> {
  await queryable.query(`delete from journals where state = ${JournalState.CLOSED} and report_time < now() - $1 * interval '1 millisecond'`, [olderThanMs]);
}

export async function selectJournal(queryable: Queryable, journalId: string): Promise<JournalRow | undefined> {
  const { rows } = await queryable.query<JournalRow>(`select ${journalColumns} from journals where journal_id = $1`, [journalId]);
  return rows[0];
}

/** Newest first; `before` is the last one of the page before. */
export async function selectJournals(queryable: Queryable, { onlyOpen, before, limit }: { readonly onlyOpen: boolean; readonly before: string | undefined; readonly limit: number }): Promise<JournalRow[]> {
  const { rows } = await queryable.query<JournalRow>(
    `select ${journalColumns} from journals
     where (not $1 or state = ${JournalState.OPEN}) and ($2::text is null or journal_id < $2)
     order by journal_id desc limit $3`,
    [onlyOpen, before ?? null, limit],
  );
  return rows;
}
