/** Owns ListPriceImports: who imported prices when, newest first. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ListPriceImportsResponseSchema, PriceImportSchema, type ListPriceImportsRequest, type ListPriceImportsResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { selectImports } from "../../store/price-imports.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";

const query: TokenPart = ["price imports"];

export async function listPriceImports(database: Database, request: ListPriceImportsRequest): Promise<ListPriceImportsResponse> {
  const pageSize = pageSizeOf(request.pageSize);
  const rows = await selectImports(database, readPlace(readPageToken(request.pageToken, query)), pageSize + 1);
  const page = rows.slice(0, pageSize);
  return create(ListPriceImportsResponseSchema, {
    imports: page.map((row) =>
      create(PriceImportSchema, {
        importTime: timestampFromDate(row.import_time),
        importedBy: row.imported_by,
        priceVersion: row.price_version,
        prices: row.prices,
        adjustments: row.adjustments,
      }),
    ),
    nextPageToken: rows.length > pageSize ? writePageToken(query, [page.at(-1)!.import_id.toString()]) : "",
  });
}

function readPlace(place: unknown[] | undefined): bigint | undefined {
  if (place === undefined) return undefined;
  const [importId] = place;
  if (typeof importId !== "string" || !/^[0-9]{1,18}$/.test(importId)) throw invalidPageToken();
  return BigInt(importId);
}
