/** Owns which hours a request about the ledger, or a part of it, means. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Database, Queryable } from "#platform/database/database.ts";
import { hoursOf, wholeHours, type Period } from "../../domain/ledger-difference.ts";
import { extentOf } from "../../store/rebuild.ts";

/** Whole hours that hold something; undefined when none does. */
export async function hoursAsked(database: Database, { startTime, endTime }: { readonly startTime?: Timestamp | undefined; readonly endTime?: Timestamp | undefined }): Promise<Period | undefined> {
  const extent = await extentOf(database);
  if (extent === undefined) return undefined;
  const startMs = Math.max(extent.startMs, startTime === undefined ? -Infinity : timestampMs(startTime));
  const endMs = Math.min(extent.endMs, endTime === undefined ? Infinity : timestampMs(endTime));
  return startMs < endMs ? wholeHours({ startMs, endMs }) : undefined;
}

/**
 * The hours of a period that can hold something, the first and the last as much of it as is in the period. Lines are read hour by hour where few
 * may be found among many: a statement about months would take longer than it may.
 */
export async function hoursWithin(queryable: Queryable, { startMs, endMs }: Period): Promise<Period[]> {
  const extent = await extentOf(queryable);
  if (extent === undefined) return [];
  const held = { startMs: Math.max(startMs, extent.startMs), endMs: Math.min(endMs, extent.endMs) };
  return [...hoursOf(wholeHours(held))].map((hour) => ({ startMs: Math.max(hour.startMs, held.startMs), endMs: Math.min(hour.endMs, held.endMs) }));
}
