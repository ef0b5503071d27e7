/** Owns asking what a change would do, without it: made in a transaction, read there, and undone. */
import type { Database, Queryable } from "#platform/database/database.ts";

/** What the function returns; nothing of what it changes stays, and nobody else sees it. */
export function undone<Result>(database: Database, use: (transaction: Queryable) => Promise<Result>): Promise<Result> {
  return database.transaction(async (transaction) => {
    await transaction.query("SAVEPOINT undone");
    const result = await use(transaction);
    await transaction.query("ROLLBACK TO SAVEPOINT undone");
    return result;
  });
}
