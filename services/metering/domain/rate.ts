/** Owns what a quantity costs: prices as exact integers, and the rating of one usage, rounded once. */
import { Meter, type MeterQuantity, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/** Nano-dollars for a million units of each meter; of audio, for a million minutes / 1,000 (see `unitsPerRate`). */
export type Rates = ReadonlyMap<Meter, bigint>;

/** What one model costs, for the calls that it covers. */
export interface PriceEntry {
  readonly rates: Rates;
  /** Rates for the whole call once its input exceeds this many tokens; empty when they are not known. */
  readonly longPrompt?: { readonly aboveInputTokens: bigint; readonly rates: Rates };
  /** The vendor's names of the service tiers that these rates are for; absent means every tier. */
  readonly serviceTiers?: readonly string[];
  /** For calls that start from then on, and before `untilMs`; absent means always. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** What a call cost: absent when it is unreported, or when a part of it has no price. */
export interface Rating {
  /** By the vendor's price. */
  readonly costNanos: bigint | undefined;
  /** What the key is charged. */
  readonly chargeNanos: bigint | undefined;
  /** True when usage is known but has no price, or none that can be true. */
  readonly isUnpriced: boolean;
}

/** A charge is the cost times a factor in millionths: this one charges the cost. */
export const evenFactorMillionths = 1_000_000n;

const factorsPerOne = 1_000_000n;
const usualUnits = 1_000_000n;
/** Audio is priced by the minute: whole nano-dollars for a thousand minutes stay whole where those for a million milliseconds would not. */
const audioUnits = 60_000_000n;

/** A million dollars: where an attempt comes to more, its count or price is a mistake, and few of them would be more than the sums can hold. */
const maximumNanos = 1_000_000n * 1_000_000_000n;

const inputMeters: readonly Meter[] = [
  Meter.INPUT_TOKENS,
  Meter.CACHED_INPUT_TOKENS,
  Meter.CACHE_WRITE_5M_INPUT_TOKENS,
  Meter.CACHE_WRITE_1H_INPUT_TOKENS,
  Meter.AUDIO_INPUT_TOKENS,
  Meter.IMAGE_INPUT_TOKENS,
];

/** Meters that cost what another one does unless they have a rate of their own (see weir.types.v1.Price). */
const fallbackMeters: ReadonlyMap<Meter, Meter> = new Map([
  [Meter.CACHED_INPUT_TOKENS, Meter.INPUT_TOKENS],
  [Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.INPUT_TOKENS],
  [Meter.CACHE_WRITE_1H_INPUT_TOKENS, Meter.INPUT_TOKENS],
  [Meter.REASONING_OUTPUT_TOKENS, Meter.OUTPUT_TOKENS],
]);

const unreported: Rating = { costNanos: undefined, chargeNanos: undefined, isUnpriced: false };
const unpriced: Rating = { costNanos: undefined, chargeNanos: undefined, isUnpriced: true };

/** Rates a usage: the sum over all meters is exact; cost and charge are each rounded half up to nano-dollars once. */
export function rateUsage(usage: Pick<Usage, "quantities"> | undefined, price: PriceEntry | undefined, factorMillionths = evenFactorMillionths): Rating {
  if (usage === undefined) return unreported;
  // Whatever its price: nothing of it costs nothing.
  if (usage.quantities.every(({ quantity }) => quantity === 0n)) return { costNanos: 0n, chargeNanos: 0n, isUnpriced: false };
  if (price === undefined) return unpriced;
  const rates = ratesFor(price, usage.quantities);
  let total = 0n;
  let countsRequests = false;
  for (const { meter, quantity } of usage.quantities) {
    if (quantity === 0n) continue;
    if (meter === Meter.REQUESTS) countsRequests = true;
    const rate = rateOf(rates, meter);
    if (rate === undefined) return unpriced;
    total += quantity * rate * (audioUnits / unitsPerRate(meter));
  }
  // A fee for each call falls due for this one, also where the vendor does not count calls.
  if (!countsRequests) total += (rates.get(Meter.REQUESTS) ?? 0n) * (audioUnits / usualUnits);
  const costNanos = roundHalfUp(total, audioUnits);
  const chargeNanos = roundHalfUp(total * factorMillionths, audioUnits * factorsPerOne);
  return costNanos > maximumNanos || chargeNanos > maximumNanos ? unpriced : { costNanos, chargeNanos, isUnpriced: false };
}

/** The rate of a meter, or of the one that it costs as much as. */
export function rateOf(rates: Rates, meter: Meter): bigint | undefined {
  return rates.get(meter) ?? rates.get(fallbackMeters.get(meter) ?? meter);
}

/** How many units a rate is for. */
export function unitsPerRate(meter: Meter): bigint {
  return meter === Meter.AUDIO_MILLISECONDS ? audioUnits : usualUnits;
}

function roundHalfUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor / 2n) / divisor;
}

function ratesFor(price: PriceEntry, quantities: readonly MeterQuantity[]): Rates {
  if (price.longPrompt === undefined) return price.rates;
  let inputTokens = 0n;
  for (const { meter, quantity } of quantities) if (inputMeters.includes(meter)) inputTokens += quantity;
  return inputTokens > price.longPrompt.aboveInputTokens ? price.longPrompt.rates : price.rates;
}
