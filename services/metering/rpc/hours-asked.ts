/** Owns which hours a request about the whole ledger, or a part of it, means. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Database } from "#platform/database/database.ts";
import { wholeHours, type Period } from "../domain/ledger-difference.ts";
import { extentOf } from "../store/rebuild.ts";

/** Whole hours that hold something; undefined when none does. */
export async function hoursAsked(database: Database, { startTime, endTime }: { readonly startTime?: Timestamp | undefined; readonly endTime?: Timestamp | undefined }): Promise<Period | undefined> {
  const extent = await extentOf(database);
  if (extent === undefined) return undefined;
  const startMs = Math.max(extent.startMs, startTime === undefined ? -Infinity : timestampMs(startTime));
  const endMs = Math.min(extent.endMs, endTime === undefined ? Infinity : timestampMs(endTime));
  return startMs < endMs ? wholeHours({ startMs, endMs }) : undefined;
}
