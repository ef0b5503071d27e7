/** Owns how far the ledger's postings are on the books of budgets: each is applied once, whoever applies it. */
import type { Queryable } from "#platform/database/database.ts";
import { postToLeases, type PostedAmount } from "./leases.ts";

export interface PostingProgress {
  readonly version: bigint;
  /** What was applied last, and the ledger may forget. */
  readonly postingIds: readonly bigint[];
  /** Whether more is to come soon: some lease may still be drawn from. */
  readonly hasOpenLeases: boolean;
}

export interface NumberedPosting extends PostedAmount {
  readonly postingId: bigint;
}

export async function findProgress(database: Queryable): Promise<PostingProgress> {
  const { rows } = await database.query<{ version: bigint; posting_ids: bigint[]; has_open_leases: boolean }>(
    "SELECT version, posting_ids, EXISTS (SELECT FROM leases WHERE close_time IS NULL) AS has_open_leases FROM posting_progress",
  );
  return { version: rows[0]!.version, postingIds: rows[0]!.posting_ids, hasOpenLeases: rows[0]!.has_open_leases };
}

/**
 * Applies what the ledger handed over when it was asked with this progress; false when another process has gone on from there, and with it
 * perhaps with these. Must run in a transaction.
 */
export async function applyPostings(transaction: Queryable, { version }: PostingProgress, postings: readonly NumberedPosting[]): Promise<boolean> {
  const { rowCount } = await transaction.query("UPDATE posting_progress SET version = version + 1, posting_ids = $2 WHERE version = $1", [version, postings.map(({ postingId }) => postingId)]);
  if (rowCount !== 1) return false;
  if (postings.length > 0) await postToLeases(transaction, postings);
  return true;
}
