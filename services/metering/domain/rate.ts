/** Owns what a quantity costs: prices as exact integers, and the rating of one usage, rounded once. */
import { Meter, type MeterQuantity, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/** Nano-dollars for a million units of each meter. */
export type Rates = ReadonlyMap<Meter, bigint>;

/** What one model costs. */
export interface PriceEntry {
  readonly rates: Rates;
  /** Rates for the whole call once its input exceeds this many tokens; empty when they are not known. */
  readonly longPrompt?: { readonly aboveInputTokens: bigint; readonly rates: Rates };
  /** The vendor's names of the service tiers that these rates are for; absent means every tier. */
  readonly serviceTiers?: readonly string[];
}

/** What a call cost: absent when it is unreported, or when a part of it has no price. */
export interface Rating {
  readonly costNanos: bigint | undefined;
  /** True when usage is known but has no price. */
  readonly isUnpriced: boolean;
}

const unitsPerRate = 1_000_000n;

const inputMeters: readonly Meter[] = [
  Meter.INPUT_TOKENS,
  Meter.CACHED_INPUT_TOKENS,
  Meter.CACHE_WRITE_5M_INPUT_TOKENS,
  Meter.CACHE_WRITE_1H_INPUT_TOKENS,
  Meter.AUDIO_INPUT_TOKENS,
  Meter.IMAGE_INPUT_TOKENS,
];

/** Meters that cost what another one does unless they have a rate of their own (see weir.config.v1.Price). */
const fallbackMeters: ReadonlyMap<Meter, Meter> = new Map([
  [Meter.CACHED_INPUT_TOKENS, Meter.INPUT_TOKENS],
  [Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.INPUT_TOKENS],
  [Meter.CACHE_WRITE_1H_INPUT_TOKENS, Meter.INPUT_TOKENS],
  [Meter.REASONING_OUTPUT_TOKENS, Meter.OUTPUT_TOKENS],
]);

/** Rates a usage: the sum over all meters is exact and is rounded half up to nano-dollars once. */
export function rateUsage(usage: Usage | undefined, serviceTier: string, price: PriceEntry | undefined): Rating {
  if (usage === undefined) return { costNanos: undefined, isUnpriced: false };
  // Whatever its price: nothing of it costs nothing.
  if (usage.quantities.every(({ quantity }) => quantity === 0n)) return { costNanos: 0n, isUnpriced: false };
  const rates = price === undefined ? undefined : ratesFor(price, usage.quantities, serviceTier);
  if (rates === undefined) return { costNanos: undefined, isUnpriced: true };
  let total = 0n;
  for (const { meter, quantity } of usage.quantities) {
    if (quantity === 0n) continue;
    const rate = rates.get(meter) ?? rates.get(fallbackMeters.get(meter) ?? meter);
    if (rate === undefined) return { costNanos: undefined, isUnpriced: true };
    total += quantity * rate;
  }
  return { costNanos: (total + unitsPerRate / 2n) / unitsPerRate, isUnpriced: false };
}

/**
 * US dollars for a million units, as decimal text with at most nine decimal places, in nano-dollars.
 * Throws RangeError for any other text.
 */
export function parseDollars(text: string): bigint {
  const match = /^([0-9]+)(?:[.]([0-9]{1,9}))?$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is not an amount in US dollars: write it as "2.50".`);
  return BigInt(match[1]!) * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}

function ratesFor(price: PriceEntry, quantities: readonly MeterQuantity[], serviceTier: string): Rates | undefined {
  if (price.serviceTiers !== undefined && !price.serviceTiers.includes(serviceTier)) return undefined;
  if (price.longPrompt === undefined) return price.rates;
  let inputTokens = 0n;
  for (const { meter, quantity } of quantities) if (inputMeters.includes(meter)) inputTokens += quantity;
  return inputTokens > price.longPrompt.aboveInputTokens ? price.longPrompt.rates : price.rates;
}
