/** Owns running Weir in this one process until something asks it to stop. */
import { createMetricsRegistry } from "#platform/metrics.ts";
import { openAdminDoor } from "../admin-door.ts";
import type { DatabaseSource } from "../database-source.ts";
import { startPage } from "../start-page.ts";
import { factsOf, startWeir, type WeirOptions } from "../weir.ts";
import { drainMsAfter, stopSignal, unlessStopped } from "./stop-signal.ts";

/** What a process is to run; the rest it gets from the way it is run. */
export type Launch = Omit<WeirOptions, "databases" | "readiness" | "metrics">;

/** Resolves with the exit code when nothing is left running, but for what a start that was stopped still waited for. */
export async function runOneProcess(launch: Launch, databases: DatabaseSource): Promise<number> {
  const { settings, data, logger } = launch;
  const stopping = stopSignal();
  const metrics = createMetricsRegistry();
  const admin = await openAdminDoor(settings, { contentType: metrics.contentType, read: () => metrics.metrics() }, logger);
  try {
    const weir = await unlessStopped(startWeir({ ...launch, databases, metrics, readiness: admin }), stopping);
    if (weir === undefined) return 0;
    console.log(startPage(factsOf(weir), admin.listener, settings, data));
    const reason = await Promise.race([stopping, databases.failed]);
    if (reason instanceof Error) logger.fatal({ error: reason }, "Weir cannot go on");
    await weir.stop(drainMsAfter(reason, settings));
    return reason instanceof Error ? 1 : 0;
  } finally {
    await databases.stop();
    await admin.close();
  }
}
