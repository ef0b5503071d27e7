/** Owns the versions of the price book that were ever in force, and a cache of those that events name. */
import type { Queryable } from "#platform/database/database.ts";
import { decodeAdjustments, decodeEntries, encodeAdjustments, encodeEntries, type EncodedAdjustment, type EncodedEntry, type PriceBook } from "../domain/price-book.ts";
import type { PriceBooks } from "../domain/ledger.ts";

// A version changes when an operator edits prices: more than these are never in use together.
const maximumCachedVersions = 64;

export class PriceVersions {
  readonly #cache = new Map<string, PriceBook>();

  /** Resolves when the version is stored. */
  async save(queryable: Queryable, book: PriceBook): Promise<void> {
    await queryable.query("insert into price_versions (price_version, entries, adjustments) values ($1, $2::jsonb, $3::jsonb) on conflict do nothing", [
      book.version,
      JSON.stringify(encodeEntries(book.entries)),
      JSON.stringify(encodeAdjustments(book.adjustments)),
    ]);
    this.#remember(book);
  }

  /** Those of the versions that exist. */
  async load(queryable: Queryable, versions: Iterable<string>): Promise<PriceBooks> {
    const books = new Map<string, PriceBook>();
    const missing = new Set<string>();
    for (const version of versions) {
      const book = this.#cache.get(version);
      if (book === undefined) missing.add(version);
      else books.set(version, book);
    }
    if (missing.size === 0) return books;
    const { rows } = await queryable.query<{ price_version: string; entries: EncodedEntry[]; adjustments: EncodedAdjustment[] }>(
      "select price_version, entries, adjustments from price_versions where price_version = any($1::text[])",
      [[...missing]],
    );
    for (const row of rows) {
      const book: PriceBook = { version: row.price_version, entries: decodeEntries(row.entries), adjustments: decodeAdjustments(row.adjustments) };
      books.set(book.version, book);
      this.#remember(book);
    }
    return books;
  }

  #remember(book: PriceBook): void {
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined && this.#cache.size >= maximumCachedVersions) this.#cache.delete(oldest);
    this.#cache.set(book.version, book);
  }
}
