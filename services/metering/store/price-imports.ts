/** Owns the imports of prices: each as it came, by whom and when. */
import type { Queryable } from "#platform/database/database.ts";
import { decodeAdjustments, decodeEntries, encodeAdjustments, encodeEntries, type EncodedAdjustment, type EncodedEntry, type PriceList } from "../domain/price-book.ts";

export interface StoredImport extends PriceList {
  readonly importId: bigint;
}

export interface ImportRow {
  readonly import_id: bigint;
  readonly import_time: Date;
  readonly imported_by: string;
  readonly price_version: string;
  readonly prices: number;
  readonly adjustments: number;
}

export async function insertImport(queryable: Queryable, prices: PriceList, importedBy: string, priceVersion: string): Promise<void> {
  await queryable.query("insert into price_imports (imported_by, price_version, entries, adjustments) values ($1, $2, $3::jsonb, $4::jsonb)", [
    importedBy,
    priceVersion,
    JSON.stringify(encodeEntries(prices.entries)),
    JSON.stringify(encodeAdjustments(prices.adjustments)),
  ]);
}

/** The newest import after this one. */
export async function latestImport(queryable: Queryable, after: bigint): Promise<StoredImport | undefined> {
  const { rows } = await queryable.query<{ import_id: bigint; entries: EncodedEntry[]; adjustments: EncodedAdjustment[] }>(
    "select import_id, entries, adjustments from price_imports where import_id > $1 order by import_id desc limit 1",
    [after.toString()],
  );
  const row = rows[0];
  return row && { importId: row.import_id, entries: decodeEntries(row.entries), adjustments: decodeAdjustments(row.adjustments) };
}

/** Newest first, of those before this one. */
export async function selectImports(queryable: Queryable, before: bigint | undefined, limit: number): Promise<readonly ImportRow[]> {
  const { rows } = await queryable.query<ImportRow>(
    `select import_id, import_time, imported_by, price_version, jsonb_array_length(entries) as prices, jsonb_array_length(adjustments) as adjustments
     from price_imports where $1::int8 is null or import_id < $1 order by import_id desc limit $2`,
    [before?.toString() ?? null, limit],
  );
  return rows;
}
