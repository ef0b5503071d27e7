/** Owns what a check of the ledger can find, and the hours and months it goes through. */
import type { PriceBooks } from "./ledger.ts";
import { rateLine, type RatedLine } from "./rerate.ts";

/** Two places that do not agree. */
export interface LedgerDifference {
  readonly kind: "postings" | "rating" | "rollup" | "balance";
  /** An attempt's id, the key of a sum, or an account with its month. */
  readonly row: string;
  /** What stands there, and what should. */
  readonly detail: string;
}

/** Milliseconds since 1970; the end is exclusive. */
export interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** The lines whose cost or charge is not what their version of the price book gives. */
export function ratingDifferences(lines: readonly RatedLine[], books: PriceBooks): LedgerDifference[] {
  return lines.flatMap((line): LedgerDifference[] => {
    const { identity, figures } = line;
    const rating = rateLine(line, books.get(identity.priceVersion));
    if (rating.costNanos === figures.costNanos && rating.chargeNanos === figures.chargeNanos && rating.isUnpriced === figures.isUnpriced) return [];
    const detail = `costs ${text(figures.costNanos)} and is charged ${text(figures.chargeNanos)}; by ${identity.priceVersion} it is ${text(rating.costNanos)} and ${text(rating.chargeNanos)}`;
    return [{ kind: "rating", row: identity.attemptId, detail }];
  });
}

/** A period rounded outwards to whole hours. */
export function wholeHours({ startMs, endMs }: Period): Period {
  return { startMs: Math.floor(startMs / hourMs) * hourMs, endMs: Math.ceil(endMs / hourMs) * hourMs };
}

/** The hours of a period of whole hours. */
export function* hoursOf({ startMs, endMs }: Period): Generator<Period> {
  for (let hour = startMs; hour < endMs; hour += hourMs) yield { startMs: hour, endMs: hour + hourMs };
}

/** The days, UTC, that a period is in. */
export function* daysOf({ startMs, endMs }: Period): Generator<Period> {
  for (let day = Math.floor(startMs / dayMs) * dayMs; day < endMs; day += dayMs) yield { startMs: day, endMs: day + dayMs };
}

/** The months, UTC, that a period is in. */
export function* monthsOf({ startMs, endMs }: Period): Generator<Period> {
  const first = new Date(startMs);
  for (let index = 0; ; index++) {
    const month = { startMs: Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + index), endMs: Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + index + 1) };
    if (month.startMs >= endMs) return;
    yield month;
  }
}

function text(nanos: bigint | undefined): string {
  return nanos === undefined ? "unknown" : `${nanos}`;
}
