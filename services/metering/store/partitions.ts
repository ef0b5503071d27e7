/** Owns the monthly partitions of the ledger's tables, each made when the first line of its month comes. */
import type { Database } from "#platform/database/database.ts";

const partitionedTables = ["attempts", "superseded_attempts", "postings"];

export class Partitions {
  readonly #database: Database;
  /** Months are counted from January 1970. */
  readonly #knownMonths = new Set<number>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Resolves when every one of these times has its partitions. */
  async ensure(timesMs: Iterable<number>): Promise<void> {
    const missing = new Set<number>();
    for (const timeMs of timesMs) {
      const month = monthOf(timeMs);
      if (!this.#knownMonths.has(month)) missing.add(month);
    }
    if (missing.size === 0) return;
    await this.#create([...missing].sort((left, right) => left - right));
    for (const month of missing) this.#knownMonths.add(month);
  }

  /** To be called when a write failed: the partitions may not be what they were. */
  forget(): void {
    this.#knownMonths.clear();
  }

  async #create(months: readonly number[]): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      // Two processes that make the same partition at once would fail each other.
      await transaction.query("select pg_advisory_xact_lock(hashtextextended('weir metering partitions', 0))");
      for (const table of partitionedTables) {
        for (const month of months) await transaction.query(createPartition(table, month));
      }
    });
  }
}

function monthOf(timeMs: number): number {
  const time = new Date(timeMs);
  return (time.getUTCFullYear() - 1970) * 12 + time.getUTCMonth();
}

function createPartition(table: string, month: number): string {
  const name = `${table}_${firstDay(month).slice(0, 7).replace("-", "_")}`;
  return `create table if not exists ${name} partition of ${table}
          for values from ('${firstDay(month)}') to ('${firstDay(month + 1)}')`;
}

/** When a month begins, as text. */
function firstDay(month: number): string {
  return new Date(Date.UTC(1970, month)).toISOString();
}
