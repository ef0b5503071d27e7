/** Owns rating what stands again, and what that changes by model. */
import { create } from "@bufbuild/protobuf";
import { MeterQuantitySchema, type Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { LineChange, StandingLine } from "./ledger.ts";
import type { PriceBook } from "./price-book.ts";
import { rateCall } from "./rate-call.ts";
import type { Rating } from "./rate.ts";

/** A line with what a price book asks of it beside what it is. */
export interface RatedLine extends StandingLine {
  readonly servedModel: string;
  readonly serviceTier: string;
}

/** How the ratings of a model differ. */
export interface RatingDifference {
  /** `vendor/model`. */
  readonly model: string;
  attempts: bigint;
  changedAttempts: bigint;
  unpricedAttempts: bigint;
  costBeforeNanos: bigint;
  costAfterNanos: bigint;
  chargeBeforeNanos: bigint;
  chargeAfterNanos: bigint;
}

/** What the line costs by a book; without one it is unpriced. */
export function rateLine({ identity, figures, servedModel, serviceTier }: RatedLine, book: PriceBook | undefined): Rating {
  const quantities = figures.quantities?.map((quantity, index) => create(MeterQuantitySchema, { meter: (index + 1) as Meter, quantity })).filter(({ quantity }) => quantity !== 0n);
  return rateCall({ ...identity, servedModel, serviceTier }, quantities && { quantities }, book);
}

/** The line as it stands by another book, one generation on. */
export function rerateLine(line: RatedLine, book: PriceBook): LineChange {
  const { identity, figures } = line;
  return {
    identity: { ...identity, priceVersion: book.version },
    figures: { ...figures, ...rateLine(line, book), generation: figures.generation + 1 },
    previous: figures,
  };
}

/** The differences of these changes, by model. */
export function differencesOf(changes: readonly LineChange[]): RatingDifference[] {
  const byModel = new Map<string, RatingDifference>();
  for (const { identity, figures, previous } of changes) {
    const model = `${identity.vendor}/${identity.model}`;
    const sum = byModel.get(model) ?? { model, attempts: 0n, changedAttempts: 0n, unpricedAttempts: 0n, costBeforeNanos: 0n, costAfterNanos: 0n, chargeBeforeNanos: 0n, chargeAfterNanos: 0n };
    byModel.set(model, sum);
    sum.attempts += 1n;
    if (figures.costNanos !== previous?.costNanos || figures.chargeNanos !== previous?.chargeNanos) sum.changedAttempts += 1n;
    if (figures.isUnpriced) sum.unpricedAttempts += 1n;
    sum.costBeforeNanos += previous?.costNanos ?? 0n;
    sum.costAfterNanos += figures.costNanos ?? 0n;
    sum.chargeBeforeNanos += previous?.chargeNanos ?? 0n;
    sum.chargeAfterNanos += figures.chargeNanos ?? 0n;
  }
  return [...byModel.values()].sort((left, right) => (left.model < right.model ? -1 : 1));
}

/** Two lists of differences as one. */
export function addDifferences(left: readonly RatingDifference[], right: readonly RatingDifference[]): RatingDifference[] {
  const byModel = new Map(left.map((difference) => [difference.model, { ...difference }]));
  for (const { model, ...added } of right) {
    const sum = byModel.get(model);
    if (sum === undefined) byModel.set(model, { model, ...added });
    else for (const [name, value] of Object.entries(added) as [keyof typeof added, bigint][]) sum[name] += value;
  }
  return [...byModel.values()].sort((before, after) => (before.model < after.model ? -1 : 1));
}
