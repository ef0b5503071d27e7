/** Owns the check of the ledger: lines = postings = sums by hour = sums by day = balances, and each line rated as its version says. */
import type { Database, Queryable } from "#platform/database/database.ts";
import { daysOf, hoursOf, monthsOf, ratingDifferences, type LedgerDifference, type Period } from "./domain/ledger-difference.ts";
import type { RatedLine } from "./domain/rerate.ts";
import { balanceDifferences, dayDifferences, postingDifferences, rollupDifferences } from "./store/ledger-differences.ts";
import type { PriceVersions } from "./store/price-versions.ts";
import { selectRatedLines } from "./store/rated-lines.ts";

export interface LedgerFindings {
  readonly attempts: number;
  readonly differences: readonly LedgerDifference[];
}

/** Of one hour, and of one kind, this many differences are named. */
const namedPerHour = 100;
const linesPerPage = 2_000;

/** Checks whole hours one by one, each as it stood at one moment; ends early once `maximum` differences are found. */
export async function checkLedger(database: Database, priceVersions: PriceVersions, period: Period, maximum: number, signal: AbortSignal): Promise<LedgerFindings> {
  let attempts = 0;
  const differences: LedgerDifference[] = [];
  for (const hour of hoursOf(period)) {
    signal.throwIfAborted();
    const found = await atOneMoment(database, (queryable) => checkHour(queryable, priceVersions, hour));
    attempts += found.attempts;
    differences.push(...found.differences);
    if (differences.length >= maximum) return { attempts, differences: differences.slice(0, maximum) };
  }
  for (const day of daysOf(period)) {
    signal.throwIfAborted();
    differences.push(...(await checkDay(database, day)));
  }
  for (const month of monthsOf(period)) differences.push(...(await checkMonth(database, month)));
  return { attempts, differences: differences.slice(0, maximum) };
}

/** Compares the lines of an hour with their postings, their prices and their sums. */
export async function checkHour(queryable: Queryable, priceVersions: PriceVersions, { startMs, endMs }: Period): Promise<LedgerFindings> {
  const differences = [...(await postingDifferences(queryable, startMs, endMs, namedPerHour)), ...(await rollupDifferences(queryable, startMs, endMs, namedPerHour))];
  let attempts = 0;
  for (let after: RatedLine["identity"] | undefined; ; ) {
    const lines = await selectRatedLines(queryable, { startMs, endMs, model: "", exceptVersion: "", after, limit: linesPerPage, lock: false });
    const books = await priceVersions.load(queryable, new Set(lines.map(({ identity }) => identity.priceVersion)));
    differences.push(...ratingDifferences(lines, books).slice(0, namedPerHour));
    attempts += lines.length;
    if (lines.length < linesPerPage) return { attempts, differences };
    after = lines.at(-1)!.identity;
  }
}

/** Compares the sums of a day with those of its hours. */
export async function checkDay(queryable: Queryable, { startMs, endMs }: Period): Promise<LedgerDifference[]> {
  return dayDifferences(queryable, startMs, endMs, namedPerHour);
}

/** Compares the sums of a month with the balances. */
export async function checkMonth(queryable: Queryable, { startMs, endMs }: Period): Promise<LedgerDifference[]> {
  return balanceDifferences(queryable, startMs, endMs, namedPerHour);
}

function atOneMoment<Result>(database: Database, check: (queryable: Queryable) => Promise<Result>): Promise<Result> {
  return database.transaction(async (transaction) => {
    await transaction.query("set transaction isolation level repeatable read read only");
    return check(transaction);
  });
}
