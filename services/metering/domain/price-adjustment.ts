/** Owns what an organization is charged above or below the vendor's price. */
import { coversPeriodOf, parseDollars, periodOf, writeMoment } from "./listed-price.ts";
import type { PricedCall } from "./price-book.ts";
import { evenFactorMillionths } from "./rate.ts";

export interface PriceAdjustment {
  readonly organizationId: string;
  /** `vendor/model`, `vendor/*` or `*`. */
  readonly models: string;
  /** The charge is the cost times this. */
  readonly factorMillionths: bigint;
  /** For calls that start from then on, and before `untilMs`; absent means always. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** By organization; of those of one, the first that covers a call holds. */
export type PriceAdjustments = ReadonlyMap<string, readonly PriceAdjustment[]>;

/** As people write it. */
export interface ListedAdjustment {
  readonly organizationId: string;
  readonly models: string;
  /** `"12.5"` or `"-10"`. */
  readonly percent: string;
  readonly from: string;
  readonly until: string;
}

/** Throws RangeError for a moment that is none, and for a period that ends before it begins. */
export function adjustmentOf({ organizationId, models, percent, from, until }: ListedAdjustment): PriceAdjustment {
  const isDiscount = percent.startsWith("-");
  // Nano-percent to millionths of one.
  const size = parseDollars(isDiscount ? percent.slice(1) : percent) / 100_000n;
  return {
    organizationId,
    models,
    factorMillionths: evenFactorMillionths + (isDiscount ? -size : size),
    ...periodOf({ from, until }),
  };
}

export function listedAdjustmentOf({ organizationId, models, factorMillionths, fromMs, untilMs }: PriceAdjustment): ListedAdjustment {
  const size = factorMillionths - evenFactorMillionths;
  const digits = String(size < 0n ? -size : size).padStart(5, "0");
  const fraction = digits.slice(-4).replace(/0+$/, "");
  const percent = `${size < 0n ? "-" : ""}${digits.slice(0, -4)}${fraction === "" ? "" : `.${fraction}`}`;
  return { organizationId, models, percent, from: fromMs === undefined ? "" : writeMoment(fromMs), until: untilMs === undefined ? "" : writeMoment(untilMs) };
}

/** True when `first` covers every call of the organization that `second` does, so that behind it the second never holds. */
export function adjustsAllOf(first: PriceAdjustment, second: PriceAdjustment): boolean {
  const coversModels = first.models === "*" || first.models === second.models || (first.models.endsWith("/*") && second.models.startsWith(first.models.slice(0, -1)));
  return first.organizationId === second.organizationId && coversModels && coversPeriodOf(first, second);
}

/** The factor of the first adjustment that covers the call. */
export function factorFor(adjustments: PriceAdjustments, organizationId: string, { vendor, model, startTimeMs }: Pick<PricedCall, "vendor" | "model" | "startTimeMs">): bigint {
  const found = adjustments
    .get(organizationId)
    ?.find(
      ({ models, fromMs = -Infinity, untilMs = Infinity }) =>
        (models === "*" || models === `${vendor}/*` || models === `${vendor}/${model}`) && startTimeMs >= fromMs && startTimeMs < untilMs,
    );
  return found?.factorMillionths ?? evenFactorMillionths;
}
