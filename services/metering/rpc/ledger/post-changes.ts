/** Owns what follows from changed lines in the same transaction: the postings, what is added to the sums, and what policy is to be told. */
import type { Queryable } from "#platform/database/database.ts";
import { leaseDeltasOf } from "../../domain/lease-posting.ts";
import { postingsOf, rollupDeltasOf, type LineChange } from "../../domain/ledger.ts";
import { insertLeasePostings } from "../../store/lease-postings.ts";
import { insertDeltas, insertPostings } from "../../store/ledger-store.ts";

export async function postChanges(transaction: Queryable, changes: readonly LineChange[]): Promise<void> {
  if (changes.length === 0) return;
  const postings = changes.flatMap(postingsOf);
  if (postings.length > 0) await insertPostings(transaction, postings);
  await insertDeltas(transaction, rollupDeltasOf(changes));
  const leaseDeltas = leaseDeltasOf(changes);
  if (leaseDeltas.length > 0) await insertLeasePostings(transaction, leaseDeltas);
}
