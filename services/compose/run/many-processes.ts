/** Owns running Weir in several processes on one machine: they share the ports; this first one has the database and the admin port. */
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { SharedMetrics } from "#platform/shared-metrics.ts";
import { openAdminDoor } from "../admin-door.ts";
import type { DatabaseSource, Schema } from "../database-source.ts";
import { fixedPartsOf } from "../settings/restart-needed.ts";
import { startPage } from "../start-page.ts";
import { Crew } from "./crew.ts";
import type { Launch } from "./one-process.ts";
import { drainMsAfter, stopSignal, unlessStopped } from "./stop-signal.ts";

/** What a process may take to stop beyond its requests' time. */
const stopMarginMs = 15_000;

/** Resolves with the exit code when no process is left. */
export async function runManyProcesses(launch: Launch, databases: DatabaseSource, count: number): Promise<number> {
  const { settings, data, logger } = launch;
  const stopping = stopSignal();
  const admin = await openAdminDoor(settings, new SharedMetrics(), logger);
  try {
    const connections: Partial<Record<Schema, DatabaseConnection>> = {};
    for (const schema of databases.schemas) connections[schema] = await databases.connectionOf(schema);
    const crew = new Crew({ count, orders: { connections, fixedParts: fixedPartsOf(settings.file) }, readiness: admin, logger });
    const facts = await unlessStopped(crew.start(), stopping).catch(async (error: unknown) => {
      await crew.stop("SIGTERM", stopMarginMs);
      throw error;
    });
    if (facts === undefined) {
      await crew.stop("SIGTERM", stopMarginMs);
      return 0;
    }
    console.log(startPage(facts, admin.listener, settings, data, count));
    const reason = await Promise.race([stopping, databases.failed]);
    if (reason instanceof Error) logger.fatal({ error: reason }, "Weir cannot go on");
    admin.waitsFor("its running requests, to stop");
    await crew.stop(reason instanceof Error ? "SIGTERM" : reason, drainMsAfter(reason, settings) + stopMarginMs);
    return reason instanceof Error ? 1 : 0;
  } finally {
    await databases.stop();
    await admin.close();
  }
}
