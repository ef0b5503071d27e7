/** Owns the reading of attempts, page by page. */
import type { Queryable } from "#platform/database/database.ts";
import { timeText } from "./time-text.ts";

export interface AttemptQuery {
  /** Empty means of all. */
  readonly requestId: string;
  /** Empty means of all. */
  readonly organizationId: string;
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  /** The last attempt of the page before. */
  readonly before: { readonly attemptId: string; readonly startMs: number } | undefined;
  readonly limit: number;
}

export interface AttemptRow {
  readonly attempt_id: string;
  readonly start_time: Date;
  readonly organization_id: string;
  readonly team_id: string;
  readonly key_id: string;
  readonly request_id: string;
  readonly labels: Record<string, string> | null;
  readonly route: string;
  readonly provider: string;
  readonly vendor: string;
  readonly model: string;
  readonly operation: string;
  readonly is_stream: boolean;
  readonly price_version: string;
  readonly rerated_version: string | null;
  readonly lease_id: string | null;
  readonly bound_nanos: bigint | null;
  readonly rank: number;
  readonly result: number;
  readonly usage_source: number | null;
  readonly quantities: readonly bigint[] | null;
  readonly finish_reason: string;
  readonly error_reason: string;
  readonly http_status: number;
  readonly upstream_request_id: string;
  readonly served_model: string;
  readonly service_tier: string;
  readonly first_byte_ms: bigint | null;
  readonly duration_ms: bigint;
  readonly end_time: Date | null;
  readonly cost_nanos: bigint | null;
  readonly charge_nanos: bigint | null;
  readonly post_time: Date;
}

/** The columns of an AttemptRow. */
export const attemptColumns = `attempt_id, start_time, organization_id, team_id, key_id, request_id, labels, route, provider, vendor, model,
  operation, is_stream, price_version, rerated_version, lease_id, bound_nanos, rank, result, usage_source, quantities, finish_reason, error_reason, http_status,
  upstream_request_id, served_model, service_tier, first_byte_ms, duration_ms, end_time, cost_nanos, charge_nanos, post_time`;

/** The newest attempts that fit, newest first. */
export async function selectAttempts(queryable: Queryable, query: AttemptQuery): Promise<readonly AttemptRow[]> {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const time = (timeMs: number): string => `${parameter(timeText(timeMs))}::timestamptz`;
  const conditions = ["true"];
  if (query.requestId !== "") conditions.push(`request_id = ${parameter(query.requestId)}`);
  if (query.organizationId !== "") conditions.push(`organization_id = ${parameter(query.organizationId)}`);
  if (query.startMs !== undefined) conditions.push(`start_time >= ${time(query.startMs)}`);
  if (query.endMs !== undefined) conditions.push(`start_time < ${time(query.endMs)}`);
  if (query.before !== undefined) {
    conditions.push(`(start_time, attempt_id) < (${time(query.before.startMs)}, ${parameter(query.before.attemptId)})`);
  }
  const { rows } = await queryable.query<AttemptRow>(
    `select ${attemptColumns}
     from attempts where ${conditions.join(" and ")}
     order by start_time desc, attempt_id desc limit ${parameter(query.limit)}`,
    values,
  );
  return rows;
}
