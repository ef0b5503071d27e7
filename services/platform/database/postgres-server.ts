/** Owns Weir's own PostgreSQL: started in a data folder, kept running, and with a login and a schema for each service. */
import { mkdir, realpath } from "node:fs/promises";
import { lockDirectory } from "../directory-lock.ts";
import type { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { DatabaseConnection } from "./database-connection.ts";
import { stopLeftoverPostmaster } from "./leftover-postmaster.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { openPostgresCluster, superuser } from "./postgres-cluster.ts";
import { startPostgresProcess } from "./postgres-process.ts";
import { ensureServiceLogin, ensureSharedDatabase } from "./service-login.ts";
import { openSocketDirectory, socketPort } from "./socket-directory.ts";
import { supervise } from "./supervise.ts";

export interface PostgresServerOptions {
  /** A folder for this server alone; made when missing, locked while the server runs. */
  readonly dataDirectory: string;
  readonly logger: Logger;
}

export interface PostgresServer {
  /** The connection of a service: its own login role, which owns the schema of the service's name and can use no other. */
  connectionOf(service: string): Promise<DatabaseConnection>;
  /** The superuser's connection, for administration and tests. */
  readonly administration: DatabaseConnection;
  /** Resolves when PostgreSQL died and could not be kept running; Weir cannot work then. */
  readonly failed: Promise<GatewayError>;
  /** Resolves when no process of the server is left. */
  stop(): Promise<void>;
}

/** Starts PostgreSQL in the folder, after a leftover one there was stopped. Throws GatewayErrors that say what a person can do. */
export async function startPostgresServer({ dataDirectory, logger }: PostgresServerOptions): Promise<PostgresServer> {
  const binaries = findPostgresBinaries();
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const directory = await realpath(dataDirectory);
  const lock = lockDirectory(directory);
  try {
    const cluster = await openPostgresCluster(directory, binaries);
    await stopLeftoverPostmaster(cluster.directory, logger);
    const socketDirectory = openSocketDirectory(cluster.directory, cluster.runAs.userId);
    const start = () => startPostgresProcess(binaries, cluster, socketDirectory, logger);
    const supervision = await supervise("PostgreSQL", start, logger);
    try {
      const password = cluster.passwordOf(superuser).reveal();
      const administration = await ensureSharedDatabase({ host: socketDirectory, port: socketPort, user: superuser, password, database: "postgres" });
      return {
        connectionOf: (service) => ensureServiceLogin(administration, service, cluster.passwordOf(service).reveal()),
        administration,
        failed: supervision.failed,
        stop: async () => {
          await supervision.stop();
          lock.release();
        },
      };
    } catch (error) {
      await supervision.stop();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}
