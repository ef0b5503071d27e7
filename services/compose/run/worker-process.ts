/** Owns running Weir as one of several processes: it tells the first of them how far it is, and stops when that one says so. */
import { createMetricsRegistry } from "#platform/metrics.ts";
import { shareMetrics } from "#platform/shared-metrics.ts";
import { existingDatabase } from "../database-source.ts";
import { factsOf, startWeir } from "../weir.ts";
import type { WorkerReport } from "./crew.ts";
import type { Launch } from "./one-process.ts";
import { drainMsAfter, stopSignal, unlessStopped } from "./stop-signal.ts";
import type { WorkerOrders } from "./worker-orders.ts";

/** Resolves with the exit code when nothing is left running, but for what a start that was stopped still waited for. */
export async function runWorkerProcess(launch: Launch, { connections }: WorkerOrders): Promise<number> {
  // Without the first process nobody would stop this one.
  const orphaned = new Promise<NodeJS.Signals>((resolve) => process.once("disconnect", () => resolve("SIGTERM")));
  const stopping = Promise.race([stopSignal(), orphaned]);
  const metrics = createMetricsRegistry();
  shareMetrics(metrics);
  const report = (message: WorkerReport): void => void process.send!(message);
  const readiness = { waitsFor: (what: string) => report({ weir: "waits", what }), isReady: () => undefined };
  const weir = await unlessStopped(startWeir({ ...launch, databases: existingDatabase(connections), metrics, readiness }), stopping);
  if (weir === undefined) return 0;
  report({ weir: "ready", facts: factsOf(weir) });
  await weir.stop(drainMsAfter(await stopping, launch.settings));
  // The channel to the first process would keep this one alive.
  if (process.connected) process.disconnect();
  return 0;
}
