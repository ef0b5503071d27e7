/** Owns what follows from changed lines in the same transaction: the postings, the sums and the balances. */
import type { Queryable } from "#platform/database/database.ts";
import { balanceDeltasOf, postingsOf, rollupDeltasOf, type LineChange } from "../domain/ledger.ts";
import { addToBalances, addToRollups, insertPostings } from "../store/ledger-store.ts";

export async function postChanges(transaction: Queryable, changes: readonly LineChange[]): Promise<void> {
  if (changes.length === 0) return;
  const postings = changes.flatMap(postingsOf);
  if (postings.length > 0) await insertPostings(transaction, postings);
  await addToRollups(transaction, rollupDeltasOf(changes));
  // Last, because every batch of a vendor waits for the same row until the other has committed.
  if (postings.length > 0) await addToBalances(transaction, balanceDeltasOf(postings));
}
