/** Owns ImportPrices: prices as people write them become what stands imported, and who did it is kept. */
import { create } from "@bufbuild/protobuf";
import { ImportPricesResponseSchema, PriceChangeSchema, type ImportPricesRequest, type ImportPricesResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Identity } from "#platform/rpc/service-types.ts";
import type { MeteringConfig } from "../../config.ts";
import { entriesOf } from "../../domain/listed-price.ts";
import { adjustmentOf, adjustsAllOf } from "../../domain/price-adjustment.ts";
import { changedNames, coversAllOf, encodeAdjustments, encodeEntries, groupByName, type PriceList } from "../../domain/price-book.ts";
import type { ImportedPrices } from "../../imported-prices.ts";
import { bookOf, type PriceBookFollower } from "../../price-book-follower.ts";
import { insertImport } from "../../store/price-imports.ts";
import type { PriceVersions } from "../../store/price-versions.ts";
import { nameOf } from "../caller.ts";
import { pricesOf } from "./price-messages.ts";

export interface ImportPricesDependencies {
  readonly database: Database;
  readonly config: LiveValue<MeteringConfig>;
  readonly imported: ImportedPrices;
  readonly follower: PriceBookFollower;
  readonly priceVersions: PriceVersions;
}

/** Throws INVALID_REQUEST for a price that cannot be read. */
export async function importPrices({ database, config, imported, follower, priceVersions }: ImportPricesDependencies, request: ImportPricesRequest, identity: Identity): Promise<ImportPricesResponse> {
  const prices = readPrices(request);
  await imported.refresh();
  const before = bookOf(config.current, imported.prices.current);
  const after = bookOf(config.current, prices);
  if (!request.dryRun && textOf(prices) !== textOf(imported.prices.current)) {
    await database.transaction(async (transaction) => {
      await priceVersions.save(transaction, after);
      await insertImport(transaction, prices, nameOf(identity), after.version);
    });
    await imported.refresh();
    await follower.caughtUp();
  }
  return create(ImportPricesResponseSchema, {
    priceVersion: after.version,
    changes: changedNames(before, after).map((name) => create(PriceChangeSchema, { name, before: pricesOf(before, name), after: pricesOf(after, name) })),
    adjustmentsChanged: JSON.stringify(encodeAdjustments(before.adjustments)) !== JSON.stringify(encodeAdjustments(after.adjustments)),
  });
}

function readPrices({ prices, adjustments }: ImportPricesRequest): PriceList {
  const read = prices.map(({ name, price }, index) => ({ name, field: `prices[${index}] (${name})`, entries: readable(`prices[${index}] (${name})`, () => entriesOf(price!)) }));
  for (const alike of Map.groupBy(read, ({ name }) => name).values()) {
    refuseCovered(alike, (first, second) => second.entries.every((entry) => first.entries.some((before) => coversAllOf(before, entry))));
  }
  const adjusted = adjustments.map((adjustment, index) => {
    const field = `adjustments[${index}] (${adjustment.organizationId})`;
    return { field, adjustment: readable(field, () => adjustmentOf(adjustment)) };
  });
  const byOrganization = Map.groupBy(adjusted, ({ adjustment }) => adjustment.organizationId);
  for (const alike of byOrganization.values()) refuseCovered(alike, (first, second) => adjustsAllOf(first.adjustment, second.adjustment));
  return {
    entries: groupByName(read.flatMap(({ name, entries }) => entries.map((entry) => [name, entry] as const))),
    adjustments: new Map([...byOrganization].map(([organizationId, alike]) => [organizationId, alike.map(({ adjustment }) => adjustment)])),
  };
}

/** Whoever wrote what never holds meant it to: of two that cover the same calls one is a mistake, or they are in the wrong order. */
function refuseCovered<Item extends { readonly field: string }>(items: readonly Item[], covers: (first: Item, second: Item) => boolean): void {
  items.forEach((second, index) => {
    const first = items.find((before, at) => at < index && covers(before, second));
    if (first === undefined) return;
    const description = `it never holds, as ${first.field} covers the same calls and stands before it. Leave one out, put it first, or give the other an \`until\`.`;
    throw new GatewayError("INVALID_REQUEST", `${second.field}: ${description}`, { fieldViolations: [{ field: second.field, description }] });
  });
}

function readable<Value>(field: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new GatewayError("INVALID_REQUEST", `${field}: ${error.message}`, { fieldViolations: [{ field, description: error.message }] });
  }
}

function textOf({ entries, adjustments }: PriceList): string {
  return JSON.stringify([encodeEntries(entries), encodeAdjustments(adjustments)]);
}
