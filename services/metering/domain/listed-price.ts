/** Owns prices as people write them, in dollars per million tokens, and their reading as rates. */
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { parseDollars, type Rates } from "./rate.ts";

/** Decimal text each; absent or empty means that the price is not stated. */
export interface ListedPrice {
  readonly input?: string;
  readonly cachedInput?: string;
  readonly cacheWrite5m?: string;
  readonly cacheWrite1h?: string;
  readonly output?: string;
}

const meters: Readonly<Record<keyof ListedPrice, Meter>> = {
  input: Meter.INPUT_TOKENS,
  cachedInput: Meter.CACHED_INPUT_TOKENS,
  cacheWrite5m: Meter.CACHE_WRITE_5M_INPUT_TOKENS,
  cacheWrite1h: Meter.CACHE_WRITE_1H_INPUT_TOKENS,
  output: Meter.OUTPUT_TOKENS,
};

export function ratesOf(price: ListedPrice): Rates {
  const rates = new Map<Meter, bigint>();
  for (const [field, meter] of Object.entries(meters) as [keyof ListedPrice, Meter][]) {
    const dollars = price[field];
    if (dollars !== undefined && dollars !== "") rates.set(meter, parseDollars(dollars));
  }
  return rates;
}
