/** Owns WatchUsage: a report, and again whenever it has changed. */
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchUsageResponseSchema, type QueryUsageResponse, type WatchUsageRequest, type WatchUsageResponse } from "#gen/weir/metering/v1/metering_service_pb.ts";

const defaultIntervalSeconds = 2;

/** Ends when the signal fires, or a look fails. */
export async function* watchUsage(look: () => Promise<QueryUsageResponse>, { intervalSeconds }: WatchUsageRequest, signal: AbortSignal): AsyncGenerator<WatchUsageResponse, void> {
  const intervalMs = (intervalSeconds || defaultIntervalSeconds) * 1_000;
  for (let told: Buffer | undefined; !signal.aborted; ) {
    const { rows } = await look();
    const report = create(WatchUsageResponseSchema, { rows });
    const bytes = Buffer.from(toBinary(WatchUsageResponseSchema, report));
    if (told === undefined || !bytes.equals(told)) yield report;
    told = bytes;
    await sleep(intervalMs, undefined, { signal }).catch(() => {});
  }
}
