/** Owns what follows from changed lines in the same transaction: the postings, and what is added to the sums. */
import type { Queryable } from "#platform/database/database.ts";
import { postingsOf, rollupDeltasOf, type LineChange } from "../domain/ledger.ts";
import { insertDeltas, insertPostings } from "../store/ledger-store.ts";

export async function postChanges(transaction: Queryable, changes: readonly LineChange[]): Promise<void> {
  if (changes.length === 0) return;
  const postings = changes.flatMap(postingsOf);
  if (postings.length > 0) await insertPostings(transaction, postings);
  await insertDeltas(transaction, rollupDeltasOf(changes));
}
