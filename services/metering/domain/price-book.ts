/** Owns the price book: entries by `vendor/model`, and the version that their content alone decides. */
import { createHash } from "node:crypto";
import type { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { PriceEntry, Rates } from "./rate.ts";

export type PriceEntries = ReadonlyMap<string, PriceEntry>;

export interface PriceBook {
  /** `pri_…`, the hash of the entries: the same prices have the same version on every machine. */
  readonly version: string;
  readonly entries: PriceEntries;
}

/** The book with these entries, later ones replacing earlier ones as a whole. */
export function createPriceBook(...layers: readonly PriceEntries[]): PriceBook {
  const entries = new Map(layers.flatMap((layer) => [...layer]));
  const digest = createHash("sha256").update(JSON.stringify(encodeEntries(entries))).digest("hex");
  return { version: `pri_${digest.slice(0, 32)}`, entries };
}

/** The price of the model that was asked for; else of the model that answered. No name is shortened or guessed. */
export function findPrice(book: PriceBook, vendor: string, model: string, servedModel: string): PriceEntry | undefined {
  return book.entries.get(`${vendor}/${model}`) ?? book.entries.get(`${vendor}/${servedModel}`);
}

/** Entries as plain JSON in one order, with amounts as text so that no digit is lost. */
export interface EncodedEntry {
  readonly name: string;
  readonly rates: readonly (readonly [meter: Meter, nanosPerMillion: string])[];
  readonly longPrompt?: { readonly aboveInputTokens: string; readonly rates: EncodedEntry["rates"] };
  readonly serviceTiers?: readonly string[];
}

export function encodeEntries(entries: PriceEntries): EncodedEntry[] {
  return [...entries]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, { rates, longPrompt, serviceTiers }]) => ({
      name,
      rates: encodeRates(rates),
      ...(longPrompt === undefined
        ? {}
        : { longPrompt: { aboveInputTokens: longPrompt.aboveInputTokens.toString(), rates: encodeRates(longPrompt.rates) } }),
      ...(serviceTiers === undefined ? {} : { serviceTiers }),
    }));
}

export function decodeEntries(encoded: readonly EncodedEntry[]): PriceEntries {
  return new Map(
    encoded.map(({ name, rates, longPrompt, serviceTiers }) => [
      name,
      {
        rates: decodeRates(rates),
        ...(longPrompt === undefined
          ? {}
          : { longPrompt: { aboveInputTokens: BigInt(longPrompt.aboveInputTokens), rates: decodeRates(longPrompt.rates) } }),
        ...(serviceTiers === undefined ? {} : { serviceTiers }),
      },
    ]),
  );
}

function encodeRates(rates: Rates): EncodedEntry["rates"] {
  return [...rates].sort(([left], [right]) => left - right).map(([meter, nanos]) => [meter, nanos.toString()] as const);
}

function decodeRates(rates: EncodedEntry["rates"]): Rates {
  return new Map(rates.map(([meter, nanos]) => [meter, BigInt(nanos)]));
}
