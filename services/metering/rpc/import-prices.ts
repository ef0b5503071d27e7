/** Owns ImportPrices: prices as people write them become what stands imported, and who did it is kept. */
import { create } from "@bufbuild/protobuf";
import {
  ImportPricesResponseSchema,
  PriceChangeSchema,
  type ImportPricesRequest,
  type ImportPricesResponse,
} from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/live-value.ts";
import type { Identity } from "#platform/service-types.ts";
import type { MeteringConfig } from "../config.ts";
import { entriesOf } from "../domain/listed-price.ts";
import { adjustmentOf } from "../domain/price-adjustment.ts";
import { changedNames, encodeAdjustments, encodeEntries, groupByName, type PriceList } from "../domain/price-book.ts";
import type { ImportedPrices } from "../imported-prices.ts";
import { bookOf, type PriceBookFollower } from "../price-book-follower.ts";
import { insertImport } from "../store/price-imports.ts";
import type { PriceVersions } from "../store/price-versions.ts";
import { nameOf } from "./caller.ts";
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
  const entries = prices.flatMap(({ name, price }, index) => readable(`prices[${index}] (${name})`, () => entriesOf(price!)).map((entry) => [name, entry] as const));
  const read = adjustments.map((adjustment, index) => readable(`adjustments[${index}] (${adjustment.organizationId})`, () => adjustmentOf(adjustment)));
  return { entries: groupByName(entries), adjustments: Map.groupBy(read, ({ organizationId }) => organizationId) };
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
