/** Owns reading lines with all that their rating depends on, page by page in the order of their start. */
import type { Queryable } from "#platform/database/database.ts";
import type { RatedLine } from "../domain/rerate.ts";
import { standingColumns, toStandingLine, type StandingRow } from "./ledger-store.ts";

export interface RatedLineQuery {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  /** `vendor/model`; empty means of all. */
  readonly model: string;
  /** Leaves out what this version rates already; empty means nothing. */
  readonly exceptVersion: string;
  /** The last line of the page before. */
  readonly after: { readonly startTimeMs: number; readonly attemptId: string } | undefined;
  readonly limit: number;
  /** Locks the lines until the transaction ends. */
  readonly lock: boolean;
}

export async function selectRatedLines(queryable: Queryable, query: RatedLineQuery): Promise<RatedLine[]> {
  const { rows } = await queryable.query<StandingRow & { served_model: string; service_tier: string }>(
    `select ${standingColumns}, served_model, service_tier from attempts
     where start_time >= $1::timestamptz and start_time < $2::timestamptz and (start_time, attempt_id) > ($3::timestamptz, $4)
       and ($5 = '' or vendor || '/' || model = $5) and coalesce(rerated_version, price_version) <> $6
     order by start_time, attempt_id limit $7 ${query.lock ? "for update" : ""}`,
    [
      new Date(query.startMs).toISOString(),
      new Date(query.endMs).toISOString(),
      new Date(query.after?.startTimeMs ?? query.startMs).toISOString(),
      query.after?.attemptId ?? "",
      query.model,
      query.exceptVersion,
      query.limit,
    ],
  );
  return rows.map((row) => ({ ...toStandingLine(row), servedModel: row.served_model, serviceTier: row.service_tier }));
}
