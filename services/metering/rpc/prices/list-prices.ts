/** Owns ListPrices: a version of the price book, as people write prices. */
import { create } from "@bufbuild/protobuf";
import { ListPricesResponseSchema, type ListPricesRequest, type ListPricesResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import { NamedPriceSchema, PriceAdjustmentSchema } from "#gen/weir/types/v1/price_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Identity } from "#platform/rpc/service-types.ts";
import { listedAdjustmentOf, type PriceAdjustment } from "../../domain/price-adjustment.ts";
import type { PriceBook } from "../../domain/price-book.ts";
import type { PriceVersions } from "../../store/price-versions.ts";
import { tenantSeenBy } from "../caller.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";
import { pricesOf } from "./price-messages.ts";

/** Throws NOT_FOUND for a version that was never in force. */
export async function listPrices(database: Database, priceVersions: PriceVersions, current: PriceBook, request: ListPricesRequest, identity: Identity): Promise<ListPricesResponse> {
  const { namePrefix } = request;
  const query: TokenPart = ["prices", request.priceVersion, namePrefix];
  const begun = readPlace(readPageToken(request.pageToken, query));
  const wanted = begun?.version ?? (request.priceVersion === "" ? current.version : request.priceVersion);
  const book = wanted === current.version ? current : await findBook(database, priceVersions, wanted);
  const names = [...book.entries.keys()].filter((name) => name.startsWith(namePrefix)).sort();
  const remaining = begun === undefined ? names : names.filter((name) => name > begun.after);
  const page = remaining.slice(0, pageSizeOf(request.pageSize));
  return create(ListPricesResponseSchema, {
    priceVersion: book.version,
    prices: page.flatMap((name) => pricesOf(book, name).map((price) => create(NamedPriceSchema, { name, price }))),
    adjustments: begun === undefined ? adjustmentsSeenBy(identity, book).map((adjustment) => create(PriceAdjustmentSchema, listedAdjustmentOf(adjustment))) : [],
    nextPageToken: remaining.length > page.length ? writePageToken(query, [book.version, page.at(-1)!]) : "",
  });
}

function adjustmentsSeenBy(identity: Identity, { adjustments }: PriceBook): readonly PriceAdjustment[] {
  const organizationId = tenantSeenBy(identity, "");
  return organizationId === "" ? [...adjustments.values()].flat() : (adjustments.get(organizationId) ?? []);
}

async function findBook(database: Database, priceVersions: PriceVersions, version: string): Promise<PriceBook> {
  const book = (await priceVersions.load(database, [version])).get(version);
  if (book === undefined) throw new GatewayError("NOT_FOUND", `There was never a price book of version ${version}; \`weir prices history\` names those that were imported.`);
  return book;
}

function readPlace(place: unknown[] | undefined): { version: string; after: string } | undefined {
  if (place === undefined) return undefined;
  const [version, after] = place;
  if (typeof version !== "string" || typeof after !== "string") throw invalidPageToken();
  return { version, after };
}
