/** Owns WatchUsage: a report, and again whenever it has changed. */
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchUsageResponseSchema, type QueryUsageResponse, type WatchUsageRequest, type WatchUsageResponse } from "#gen/weir/metering/v1/usage_report_pb.ts";
import type { Turns } from "../../turns.ts";

const defaultIntervalSeconds = 2;

/** Ends when the signal fires, or a look fails. Watchers look in turn: the ledger needs the connections, too. */
export async function* watchUsage(look: () => Promise<QueryUsageResponse>, looks: Turns, { intervalSeconds }: WatchUsageRequest, signal: AbortSignal): AsyncGenerator<WatchUsageResponse, void> {
  const intervalMs = (intervalSeconds || defaultIntervalSeconds) * 1_000;
  for (let told: Buffer | undefined; !signal.aborted; ) {
    // Who left while others looked asks for nothing any more.
    const response = await looks.take(async () => (signal.aborted ? undefined : look()));
    if (response === undefined) return;
    const report = create(WatchUsageResponseSchema, { rows: response.rows, hasMore: response.nextPageToken !== "" });
    const bytes = Buffer.from(toBinary(WatchUsageResponseSchema, report));
    if (told === undefined || !bytes.equals(told)) yield report;
    told = bytes;
    await sleep(intervalMs, undefined, { signal }).catch(() => {});
  }
}
