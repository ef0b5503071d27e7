/** Owns RerateUsage: a period rated by another version of the price book, as adjusting entries, hour by hour, a page of lines a transaction. */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { RatingDifferenceSchema, RerateUsageResponseSchema, type RerateUsageRequest, type RerateUsageResponse } from "#gen/weir/metering/v1/rerating_pb.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { Period } from "../../domain/ledger-difference.ts";
import type { PriceBook } from "../../domain/price-book.ts";
import { addDifferences, differencesOf, rerateLine, type RatedLine, type RatingDifference } from "../../domain/rerate.ts";
import { rerateLines } from "../../store/ledger-store.ts";
import type { PriceVersions } from "../../store/price-versions.ts";
import { selectRatedLines } from "../../store/rated-lines.ts";
import { addRerateDifferences, finishRerate, openRerate, selectRerateDifferences, type RerateOrder } from "../../store/rerates.ts";
import { nameOf } from "../caller.ts";
import { hoursWithin } from "../usage/hours-asked.ts";
import { postChanges } from "../ledger/post-changes.ts";

export interface RerateDependencies {
  readonly database: Database;
  readonly priceVersions: PriceVersions;
}

const pageSize = 500;

/** Throws NOT_FOUND for an unknown version, ALREADY_EXISTS when the id was given to another re-rating. */
export async function rerateUsage({ database, priceVersions }: RerateDependencies, request: RerateUsageRequest, { identity, signal }: CallContext): Promise<RerateUsageResponse> {
  const order = readOrder(request);
  const book = (await priceVersions.load(database, [order.priceVersion])).get(order.priceVersion);
  if (book === undefined) throw new GatewayError("NOT_FOUND", `There was never a price book of version ${order.priceVersion}; \`weir prices history\` names those that were imported.`);
  const hours = await hoursWithin(database, order);
  if (request.dryRun) return answer(await foresee(database, order, hours, book, signal));

  const { isSame, isDone } = await openRerate(database, order, nameOf(identity));
  if (!isSame) throw new GatewayError("ALREADY_EXISTS", `The id ${order.rerateId} was given to another re-rating: choose a new one.`);
  if (!isDone) await rerate(database, order, hours, book, signal);
  return answer(await selectRerateDifferences(database, order.rerateId));
}

function readOrder({ rerateId, priceVersion, startTime, endTime, model }: RerateUsageRequest): RerateOrder {
  const startMs = timestampMs(startTime!);
  const endMs = timestampMs(endTime!);
  if (startMs >= endMs) throw new GatewayError("INVALID_REQUEST", "start_time is not before end_time.");
  return { rerateId, priceVersion, startMs, endMs, model };
}

async function foresee(database: Database, order: RerateOrder, hours: readonly Period[], book: PriceBook, signal: AbortSignal): Promise<RatingDifference[]> {
  let differences: RatingDifference[] = [];
  for (const hour of hours) {
    for (let lines = await readPage(database, order, hour, undefined, false); lines.length > 0; lines = await readPage(database, order, hour, lines.at(-1), false)) {
      signal.throwIfAborted();
      differences = addDifferences(differences, differencesOf(lines.map((line) => rerateLine(line, book))));
    }
  }
  return differences;
}

async function rerate(database: Database, order: RerateOrder, hours: readonly Period[], book: PriceBook, signal: AbortSignal): Promise<void> {
  for (const hour of hours) {
    for (let last: RatedLine | undefined; ; ) {
      signal.throwIfAborted();
      last = await database.transaction(async (transaction) => {
        const lines = await readPage(transaction, order, hour, last, true);
        if (lines.length === 0) return undefined;
        const changes = lines.map((line) => rerateLine(line, book));
        await rerateLines(transaction, changes);
        await postChanges(transaction, changes);
        await addRerateDifferences(transaction, order.rerateId, differencesOf(changes));
        return lines.at(-1);
      });
      if (last === undefined) break;
    }
  }
  await finishRerate(database, order.rerateId);
}

function readPage(queryable: Queryable, { model, priceVersion }: RerateOrder, hour: Period, last: RatedLine | undefined, lock: boolean): Promise<RatedLine[]> {
  return selectRatedLines(queryable, { ...hour, model, exceptVersion: priceVersion, after: last?.identity, limit: pageSize, lock });
}

function answer(differences: readonly RatingDifference[]): RerateUsageResponse {
  return create(RerateUsageResponseSchema, { differences: differences.map((difference) => create(RatingDifferenceSchema, difference)) });
}
