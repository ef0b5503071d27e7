/** Owns the price book: entries by `vendor/model`, mark-ups and discounts, and the version that its content alone decides. */
import { createHash } from "node:crypto";
import type { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { coversPeriodOf } from "./listed-price.ts";
import type { PriceAdjustment, PriceAdjustments } from "./price-adjustment.ts";
import type { PriceEntry, Rates } from "./rate.ts";

/** Of the entries of one name, the first that covers a call holds. */
export type PriceEntries = ReadonlyMap<string, readonly PriceEntry[]>;

/** What can be bought at once: prices and what organizations pay above or below them. */
export interface PriceList {
  readonly entries: PriceEntries;
  readonly adjustments: PriceAdjustments;
}

export interface PriceBook extends PriceList {
  /** `pri_…`, the hash of the content: the same prices have the same version on every machine. */
  readonly version: string;
}

/** What decides which price holds for a call. */
export interface PricedCall {
  readonly vendor: string;
  /** The model that was asked for. */
  readonly model: string;
  /** The model that answered. */
  readonly servedModel: string;
  readonly serviceTier: string;
  readonly startTimeMs: number;
}

/** The book with these entries, those of later layers preceding those of earlier ones. */
export function createPriceBook(layers: readonly PriceEntries[], adjustments: PriceAdjustments = new Map()): PriceBook {
  const entries = new Map<string, readonly PriceEntry[]>();
  for (const layer of layers) {
    for (const [name, added] of layer) entries.set(name, withoutUnreachable([...added, ...(entries.get(name) ?? [])]));
  }
  const content = JSON.stringify(encodeEntries(entries)) + (adjustments.size === 0 ? "" : JSON.stringify(encodeAdjustments(adjustments)));
  return { version: `pri_${createHash("sha256").update(content).digest("hex").slice(0, 32)}`, entries, adjustments };
}

/** The price of the model that was asked for; else of the model that answered. No name is shortened or guessed. */
export function findPrice(book: PriceBook, call: PricedCall): PriceEntry | undefined {
  const find = (model: string): PriceEntry | undefined => book.entries.get(`${call.vendor}/${model}`)?.find((entry) => covers(entry, call));
  return find(call.model) ?? find(call.servedModel);
}

/** The names whose prices differ between two books. */
export function changedNames(before: PriceBook, after: PriceBook): string[] {
  const encode = ({ entries }: PriceBook, name: string): string => JSON.stringify(encodeEntries(new Map([[name, entries.get(name) ?? []]])));
  const names = new Set([...before.entries.keys(), ...after.entries.keys()]);
  return [...names].filter((name) => encode(before, name) !== encode(after, name)).sort();
}

/** An entry as plain JSON, with amounts as text so that no digit is lost. */
export interface EncodedEntry {
  readonly name: string;
  readonly rates: readonly (readonly [meter: Meter, nanosPerMillion: string])[];
  readonly longPrompt?: { readonly aboveInputTokens: string; readonly rates: EncodedEntry["rates"] };
  readonly serviceTiers?: readonly string[];
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** In the order of the names; entries of one name in the order in which they hold. */
export function encodeEntries(entries: PriceEntries): EncodedEntry[] {
  return [...entries]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([name, ofName]) =>
      ofName.map(({ rates, longPrompt, serviceTiers, fromMs, untilMs }) => ({
        name,
        rates: encodeRates(rates),
        ...(longPrompt === undefined ? {} : { longPrompt: { aboveInputTokens: longPrompt.aboveInputTokens.toString(), rates: encodeRates(longPrompt.rates) } }),
        ...(serviceTiers === undefined ? {} : { serviceTiers }),
        ...(fromMs === undefined ? {} : { fromMs }),
        ...(untilMs === undefined ? {} : { untilMs }),
      })),
    );
}

export function decodeEntries(encoded: readonly EncodedEntry[]): PriceEntries {
  return groupByName(
    encoded.map(({ name, rates, longPrompt, ...rest }) => [
      name,
      { rates: decodeRates(rates), ...(longPrompt === undefined ? {} : { longPrompt: { aboveInputTokens: BigInt(longPrompt.aboveInputTokens), rates: decodeRates(longPrompt.rates) } }), ...rest },
    ]),
  );
}

/** Entries of one name stay in their order. */
export function groupByName(named: Iterable<readonly [name: string, entry: PriceEntry]>): PriceEntries {
  const entries = new Map<string, PriceEntry[]>();
  for (const [name, entry] of named) {
    const ofName = entries.get(name);
    if (ofName === undefined) entries.set(name, [entry]);
    else ofName.push(entry);
  }
  return entries;
}

/** An adjustment as plain JSON. */
export interface EncodedAdjustment extends Omit<PriceAdjustment, "factorMillionths"> {
  readonly factorMillionths: string;
}

/** In the order of the organizations; those of one in the order in which they hold. */
export function encodeAdjustments(adjustments: PriceAdjustments): EncodedAdjustment[] {
  return [...adjustments]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([, ofOrganization]) =>
      ofOrganization.map(({ organizationId, models, factorMillionths, fromMs, untilMs }) => ({
        organizationId,
        models,
        factorMillionths: factorMillionths.toString(),
        ...(fromMs === undefined ? {} : { fromMs }),
        ...(untilMs === undefined ? {} : { untilMs }),
      })),
    );
}

export function decodeAdjustments(encoded: readonly EncodedAdjustment[]): PriceAdjustments {
  return Map.groupBy(
    encoded.map(({ factorMillionths, ...rest }): PriceAdjustment => ({ ...rest, factorMillionths: BigInt(factorMillionths) })),
    ({ organizationId }) => organizationId,
  );
}

function covers({ serviceTiers, fromMs, untilMs }: PriceEntry, { serviceTier, startTimeMs }: PricedCall): boolean {
  if (serviceTiers !== undefined && !serviceTiers.includes(serviceTier)) return false;
  return (fromMs === undefined || startTimeMs >= fromMs) && (untilMs === undefined || startTimeMs < untilMs);
}

/** True when `first` covers every call that `second` does, so that behind it the second never holds. */
export function coversAllOf(first: PriceEntry, second: PriceEntry): boolean {
  const coversTiers = first.serviceTiers === undefined || (second.serviceTiers?.every((tier) => first.serviceTiers!.includes(tier)) ?? false);
  return coversTiers && coversPeriodOf(first, second);
}

/** What stands behind an entry that covers every call can never hold. */
function withoutUnreachable(entries: readonly PriceEntry[]): readonly PriceEntry[] {
  const first = entries.findIndex(({ serviceTiers, fromMs, untilMs }) => serviceTiers === undefined && fromMs === undefined && untilMs === undefined);
  return first < 0 ? entries : entries.slice(0, first + 1);
}

function encodeRates(rates: Rates): EncodedEntry["rates"] {
  return [...rates].sort(([left], [right]) => left - right).map(([meter, nanos]) => [meter, nanos.toString()] as const);
}

function decodeRates(rates: EncodedEntry["rates"]): Rates {
  return new Map(rates.map(([meter, nanos]) => [meter, BigInt(nanos)]));
}
