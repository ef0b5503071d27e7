/** Owns what follows from changed lines in the same transaction: the postings and the sums. */
import type { Queryable } from "#platform/database/database.ts";
import { postingsOf, rollupDeltasOf, type LineChange } from "../domain/ledger.ts";
import { addToRollups, insertPostings } from "../store/ledger-store.ts";

export async function postChanges(transaction: Queryable, changes: readonly LineChange[]): Promise<void> {
  if (changes.length === 0) return;
  const postings = changes.flatMap(postingsOf);
  if (postings.length > 0) await insertPostings(transaction, postings);
  await addToRollups(transaction, rollupDeltasOf(changes));
}
