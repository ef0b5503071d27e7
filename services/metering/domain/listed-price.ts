/** Owns prices as people write them, and their reading as the entries of a price book. */
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { momentMs } from "#platform/moment.ts";
import type { PriceEntry, Rates } from "./rate.ts";

/** Decimal text each, in US dollars for what weir.types.v1.Price says; absent or empty means that the price is not stated. */
export interface ListedRates {
  readonly input?: string;
  readonly cachedInput?: string;
  readonly cacheWrite5m?: string;
  readonly cacheWrite1h?: string;
  readonly output?: string;
  readonly audioInput?: string;
  readonly audioOutput?: string;
  readonly imageInput?: string;
  readonly imageOutput?: string;
  readonly image?: string;
  readonly characters?: string;
  readonly audioMinute?: string;
  readonly searchUnit?: string;
  readonly webSearch?: string;
  readonly request?: string;
}

export interface ListedPrice extends ListedRates {
  readonly longPrompt?: (ListedRates & { readonly aboveInputTokens: bigint }) | undefined;
  /** None means every tier. */
  readonly serviceTiers?: readonly string[];
  readonly tierMultipliers?: Readonly<Record<string, string>>;
  readonly from?: string;
  readonly until?: string;
}

interface ListedMeter {
  readonly meter: Meter;
  /** So many of what is listed make up a rate. */
  readonly perRate: bigint;
}

const million = 1_000_000n;

const meters: Readonly<Record<keyof ListedRates, ListedMeter>> = {
  input: { meter: Meter.INPUT_TOKENS, perRate: 1n },
  cachedInput: { meter: Meter.CACHED_INPUT_TOKENS, perRate: 1n },
  cacheWrite5m: { meter: Meter.CACHE_WRITE_5M_INPUT_TOKENS, perRate: 1n },
  cacheWrite1h: { meter: Meter.CACHE_WRITE_1H_INPUT_TOKENS, perRate: 1n },
  output: { meter: Meter.OUTPUT_TOKENS, perRate: 1n },
  audioInput: { meter: Meter.AUDIO_INPUT_TOKENS, perRate: 1n },
  audioOutput: { meter: Meter.AUDIO_OUTPUT_TOKENS, perRate: 1n },
  imageInput: { meter: Meter.IMAGE_INPUT_TOKENS, perRate: 1n },
  imageOutput: { meter: Meter.IMAGE_OUTPUT_TOKENS, perRate: 1n },
  image: { meter: Meter.IMAGES, perRate: million },
  characters: { meter: Meter.CHARACTERS, perRate: 1n },
  audioMinute: { meter: Meter.AUDIO_MILLISECONDS, perRate: 1_000n },
  searchUnit: { meter: Meter.SEARCH_UNITS, perRate: million },
  webSearch: { meter: Meter.WEB_SEARCHES, perRate: million },
  request: { meter: Meter.REQUESTS, perRate: million },
};
const listedMeters = Object.entries(meters) as readonly [keyof ListedRates, ListedMeter][];

/** The entries of a listed price, the first that covers a call holding. Throws RangeError for what cannot be read or is not exact. */
export function entriesOf(price: ListedPrice): PriceEntry[] {
  const period = periodOf(price);
  const { longPrompt } = price;
  const rates: Pick<PriceEntry, "rates" | "longPrompt"> = {
    rates: ratesOf(price),
    ...(longPrompt === undefined ? {} : { longPrompt: { aboveInputTokens: longPrompt.aboveInputTokens, rates: ratesOf(longPrompt) } }),
  };
  const tiers = price.serviceTiers ?? [];
  return [
    ...Object.entries(price.tierMultipliers ?? {}).map(([tier, multiplier]) => ({ ...multiplyRates(rates, multiplier), serviceTiers: [tier], ...period })),
    { ...rates, ...(tiers.length === 0 ? {} : { serviceTiers: [...tiers] }), ...period },
  ];
}

/** True when `first` lasts as long as `second`, from no later on. */
export function coversPeriodOf(first: Pick<PriceEntry, "fromMs" | "untilMs">, second: Pick<PriceEntry, "fromMs" | "untilMs">): boolean {
  return (first.fromMs ?? -Infinity) <= (second.fromMs ?? -Infinity) && (first.untilMs ?? Infinity) >= (second.untilMs ?? Infinity);
}

/** Throws RangeError for what is no moment, and for an end that is not after the beginning. */
export function periodOf({ from, until }: Pick<ListedPrice, "from" | "until">): { readonly fromMs?: number; readonly untilMs?: number } {
  const period = {
    ...(isStated(from) ? { fromMs: parseMoment(from) } : {}),
    ...(isStated(until) ? { untilMs: parseMoment(until) } : {}),
  };
  if (period.fromMs !== undefined && period.untilMs !== undefined && period.fromMs >= period.untilMs) throw new RangeError(`from ${from} is not before until ${until}.`);
  return period;
}

export function ratesOf(listed: ListedRates): Rates {
  const rates = new Map<Meter, bigint>();
  for (const [field, { meter, perRate }] of listedMeters) {
    const dollars = listed[field];
    if (isStated(dollars)) rates.set(meter, parseDollars(dollars) * perRate);
  }
  return rates;
}

/** An entry as a listed price: what `entriesOf` makes of it is the entry again. */
export function listedPriceOf({ rates, longPrompt, serviceTiers, fromMs, untilMs }: PriceEntry): Omit<ListedPrice, "tierMultipliers"> {
  return {
    ...listedRatesOf(rates),
    ...(longPrompt === undefined ? {} : { longPrompt: { aboveInputTokens: longPrompt.aboveInputTokens, ...listedRatesOf(longPrompt.rates) } }),
    ...(serviceTiers === undefined ? {} : { serviceTiers }),
    ...(fromMs === undefined ? {} : { from: writeMoment(fromMs) }),
    ...(untilMs === undefined ? {} : { until: writeMoment(untilMs) }),
  };
}

/** US dollars, as decimal text with at most nine decimal places, in nano-dollars. Throws RangeError for any other text. */
export function parseDollars(text: string): bigint {
  const match = /^([0-9]+)(?:[.]([0-9]{1,9}))?$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is not an amount in US dollars: write it as "2.50".`);
  return BigInt(match[1]!) * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}

/** A date (midnight UTC) or an RFC 3339 time, in milliseconds since 1970. Throws RangeError for any other text. */
function parseMoment(text: string): number {
  const timeMs = momentMs(text);
  if (Number.isNaN(timeMs)) throw new RangeError(`"${text}" is no moment: write "2026-12-01" or "2026-12-01T08:00:00Z".`);
  return timeMs;
}

export function writeMoment(timeMs: number): string {
  return new Date(timeMs).toISOString().replace("T00:00:00.000Z", "");
}

function listedRatesOf(rates: Rates): ListedRates {
  return Object.fromEntries(listedMeters.flatMap(([field, { meter, perRate }]) => (rates.has(meter) ? [[field, writeDollars(rates.get(meter)!, perRate)]] : [])));
}

function writeDollars(rate: bigint, perRate: bigint): string {
  const decimals = 9 + String(perRate).length - 1;
  const digits = String(rate).padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  return `${digits.slice(0, -decimals)}${fraction === "" ? "" : `.${fraction}`}`;
}

function multiplyRates({ rates, longPrompt }: Pick<PriceEntry, "rates" | "longPrompt">, multiplier: string): Pick<PriceEntry, "rates" | "longPrompt"> {
  const nanos = parseDollars(multiplier);
  const multiply = (all: Rates): Rates => new Map([...all].map(([meter, rate]) => [meter, exactQuotient(rate * nanos, 1_000_000_000n)]));
  return { rates: multiply(rates), ...(longPrompt === undefined ? {} : { longPrompt: { ...longPrompt, rates: multiply(longPrompt.rates) } }) };
}

function exactQuotient(dividend: bigint, divisor: bigint): bigint {
  if (dividend % divisor !== 0n) throw new RangeError("a multiplied price has more than nine decimal places: state it as a price of its own.");
  return dividend / divisor;
}

function isStated(text: string | undefined): text is string {
  return text !== undefined && text !== "";
}
