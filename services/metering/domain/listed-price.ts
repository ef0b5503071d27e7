/** Owns prices as people write them, in dollars per million tokens or for one image or search unit, and their reading as rates. */
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { parseDollars, type Rates } from "./rate.ts";

/** Decimal text each; absent or empty means that the price is not stated. */
export interface ListedPrice {
  readonly input?: string;
  readonly cachedInput?: string;
  readonly cacheWrite5m?: string;
  readonly cacheWrite1h?: string;
  readonly output?: string;
  readonly imageInput?: string;
  readonly imageOutput?: string;
  readonly image?: string;
  readonly searchUnit?: string;
}

const million = 1_000_000n;

/** By field, what it is for, and how many of the listed amounts make up a rate. */
const meters: Readonly<Record<keyof ListedPrice, readonly [meter: Meter, perRate: bigint]>> = {
  input: [Meter.INPUT_TOKENS, 1n],
  cachedInput: [Meter.CACHED_INPUT_TOKENS, 1n],
  cacheWrite5m: [Meter.CACHE_WRITE_5M_INPUT_TOKENS, 1n],
  cacheWrite1h: [Meter.CACHE_WRITE_1H_INPUT_TOKENS, 1n],
  output: [Meter.OUTPUT_TOKENS, 1n],
  imageInput: [Meter.IMAGE_INPUT_TOKENS, 1n],
  imageOutput: [Meter.IMAGE_OUTPUT_TOKENS, 1n],
  image: [Meter.IMAGES, million],
  searchUnit: [Meter.SEARCH_UNITS, million],
};

export function ratesOf(price: ListedPrice): Rates {
  const rates = new Map<Meter, bigint>();
  for (const [field, [meter, perRate]] of Object.entries(meters) as [keyof ListedPrice, readonly [Meter, bigint]][]) {
    const dollars = price[field];
    if (dollars !== undefined && dollars !== "") rates.set(meter, parseDollars(dollars) * perRate);
  }
  return rates;
}
