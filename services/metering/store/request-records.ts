/** Owns the rows of what became of requests that their attempts do not tell of. */
import type { Database, Queryable } from "#platform/database/database.ts";
import { timeOfId } from "#platform/ids.ts";
import { batchParameters, batchRelation, columnNames, type Column } from "./batch-statement.ts";
import { timeText } from "./time-text.ts";

export interface RequestRow {
  /** Of those that the record stands for; by the first it is known. */
  readonly requestIds: readonly string[];
  readonly startMs: number;
  readonly lastMs: number;
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly outcome: number;
  readonly errorReason: number;
  /** As bytes of its message. */
  readonly record: Uint8Array;
}

/** Empty, 0 and undefined mean all. */
export interface RequestQuery {
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly requestId: string;
  readonly outcome: number;
  readonly errorReason: number;
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  /** The last record of the page before. */
  readonly before: { readonly requestId: string; readonly startMs: number } | undefined;
  readonly limit: number;
}

/** Between the first and the last request of a record. */
const longestSpanMs = 60_000;

const columns: readonly Column<RequestRow>[] = [
  { name: "request_id", type: "text", value: ({ requestIds }) => requestIds[0]! },
  { name: "request_ids", type: "text[]", sentAs: "text", value: ({ requestIds }) => `{${requestIds.map((id) => JSON.stringify(id)).join(",")}}` },
  { name: "start_time", type: "timestamptz", value: ({ startMs }) => new Date(startMs).toISOString() },
  { name: "last_time", type: "timestamptz", value: ({ lastMs }) => new Date(lastMs).toISOString() },
  { name: "organization_id", type: "text", value: ({ organizationId }) => organizationId },
  { name: "team_id", type: "text", value: ({ teamId }) => teamId },
  { name: "key_id", type: "text", value: ({ keyId }) => keyId },
  { name: "outcome", type: "integer", value: ({ outcome }) => outcome },
  { name: "error_reason", type: "integer", value: ({ errorReason }) => errorReason },
  { name: "record", type: "bytea", value: ({ record }) => `\\x${Buffer.from(record).toString("hex")}` },
];

/** Those that are there already stay as they are. */
export async function insertRequestRecords(database: Database, rows: readonly RequestRow[]): Promise<void> {
  // In one order, so that senders wait for each other and never in a circle.
  await database.query(`insert into request_records (${columnNames(columns)}) select ${columnNames(columns)} from ${batchRelation(columns)} order by request_id on conflict (request_id) do nothing`, batchParameters(columns, rows));
}

/** The newest that fit, newest first, as bytes of their messages. */
export async function selectRequestRecords(queryable: Queryable, query: RequestQuery): Promise<readonly Uint8Array[]> {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const time = (timeMs: number): string => `${parameter(timeText(timeMs))}::timestamptz`;
  const conditions = ["true"];
  if (query.requestId !== "") {
    // An id tells when its request came, so that no index of all ids is needed; what is no id stands nowhere.
    const timeMs = timeOfId(query.requestId) ?? 0;
    conditions.push(`start_time between ${time(timeMs - longestSpanMs)} and ${time(timeMs)} and ${parameter(query.requestId)} = any(request_ids)`);
  }
  if (query.organizationId !== "") conditions.push(`organization_id = ${parameter(query.organizationId)}`);
  if (query.teamId !== "") conditions.push(`team_id = ${parameter(query.teamId)}`);
  if (query.keyId !== "") conditions.push(`key_id = ${parameter(query.keyId)}`);
  if (query.outcome !== 0) conditions.push(`outcome = ${parameter(query.outcome)}`);
  if (query.errorReason !== 0) conditions.push(`error_reason = ${parameter(query.errorReason)}`);
  // The index knows when the first came.
  if (query.startMs !== undefined) conditions.push(`start_time >= ${time(query.startMs - longestSpanMs)} and last_time >= ${time(query.startMs)}`);
  if (query.endMs !== undefined) conditions.push(`start_time < ${time(query.endMs)}`);
  if (query.before !== undefined) conditions.push(`(start_time, request_id) < (${time(query.before.startMs)}, ${parameter(query.before.requestId)})`);
  const { rows } = await queryable.query<{ record: Buffer }>(
    `select record from request_records where ${conditions.join(" and ")} order by start_time desc, request_id desc limit ${parameter(query.limit)}`,
    values,
  );
  return rows.map(({ record }) => record);
}

/** Takes away at most so many that are older; returns how many. */
export async function deleteOlderRequestRecords(queryable: Queryable, ageMs: number, limit: number): Promise<number> {
  const { rowCount } = await queryable.query(
    "delete from request_records where ctid = any(array(select ctid from request_records where start_time < now() - $1 * interval '1 millisecond' order by start_time limit $2))",
    [ageMs, limit],
  );
  return rowCount ?? 0;
}
