/** Owns the dearest that a price book can rate anything by: what bounds of calls that are still to come are computed with. */
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { PriceBook } from "./price-book.ts";
import { batchTier } from "./rate-call.ts";
import { evenFactorMillionths, rateOf, unitsPerRate, type PriceEntry, type Rates } from "./rate.ts";

/** Nano-dollars for a million units of each meter that has a price, rounded up. */
export type BoundRates = ReadonlyMap<Meter, bigint>;

export interface BoundPrices {
  /** By `vendor/model`. */
  readonly prices: ReadonlyMap<string, BoundRates>;
  /** The same for what stands in a batch. */
  readonly batchPrices: ReadonlyMap<string, BoundRates>;
  /** The service tiers that have a price, of models of which not every one has. */
  readonly serviceTiers: ReadonlyMap<string, readonly string[]>;
  /** By organization, where it can pay more than the price. */
  readonly factorsMillionths: ReadonlyMap<string, bigint>;
}

interface Span {
  readonly fromMs?: number;
  readonly untilMs?: number;
}

const meters = Object.values(Meter).filter((meter) => meter !== Meter.UNSPECIFIED);
const units = 1_000_000n;

/** Over whatever can hold for a call that starts between the two moments: service tiers, long prompts, dated prices and mark-ups. */
export function boundPricesOf(book: PriceBook, startMs: number, endMs: number): BoundPrices {
  const canHold = ({ fromMs = -Infinity, untilMs = Infinity }: Span): boolean => fromMs < endMs && untilMs > startMs;
  const prices = new Map<string, BoundRates>();
  const batchPrices = new Map<string, BoundRates>();
  const serviceTiers = new Map<string, readonly string[]>();
  for (const [name, entries] of book.entries) {
    const holding = entries.filter(canHold);
    const rates = dearest(holding.flatMap(ratesOf));
    if (rates.size > 0) prices.set(name, rates);
    const batchRates = dearest(ofBatches(holding));
    if (batchRates.size > 0) batchPrices.set(name, batchRates);
    const tiers = tiersOf(holding);
    if (tiers !== undefined) serviceTiers.set(name, tiers);
  }
  const factorsMillionths = new Map<string, bigint>();
  for (const [organizationId, adjustments] of book.adjustments) {
    const factor = adjustments.filter(canHold).reduce((most, { factorMillionths }) => (factorMillionths > most ? factorMillionths : most), evenFactorMillionths);
    if (factor > evenFactorMillionths) factorsMillionths.set(organizationId, factor);
  }
  return { prices, batchPrices, serviceTiers, factorsMillionths };
}

/** Undefined where every one has a price. */
function tiersOf(entries: readonly PriceEntry[]): readonly string[] | undefined {
  const tiers = entries.flatMap(({ serviceTiers }) => serviceTiers ?? []);
  return entries.some(({ serviceTiers }) => serviceTiers === undefined) ? undefined : [...new Set(tiers)];
}

/** Of the entries that cover batches the first holds; others only where it begins or ends within the span. */
function ofBatches(entries: readonly PriceEntry[]): Rates[] {
  const covering = entries.filter(({ serviceTiers }) => serviceTiers === undefined || serviceTiers.includes(batchTier));
  const always = covering.findIndex(({ fromMs, untilMs }) => fromMs === undefined && untilMs === undefined);
  return covering.slice(0, always < 0 ? undefined : always + 1).map(({ rates }) => rates);
}

function ratesOf({ rates, longPrompt }: PriceEntry): Rates[] {
  return longPrompt === undefined ? [rates] : [rates, longPrompt.rates];
}

function dearest(all: readonly Rates[]): BoundRates {
  const most = new Map<Meter, bigint>();
  for (const rates of all) {
    for (const meter of meters) {
      const rate = rateOf(rates, meter);
      if (rate === undefined) continue;
      const unitsOfRate = unitsPerRate(meter);
      const nanosPerMillion = (rate * units + unitsOfRate - 1n) / unitsOfRate;
      if (nanosPerMillion >= (most.get(meter) ?? 0n)) most.set(meter, nanosPerMillion);
    }
  }
  return most;
}
