/** Owns where the databases are: in a PostgreSQL that an operator names, or in one that Weir starts and supervises. */
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { startPostgresServer, type PostgresServer } from "#platform/database/postgres-server.ts";
import { lockDirectory } from "#platform/directory-lock.ts";
import type { Logger } from "#platform/logger.ts";
import type { DataDirectory } from "./data-directory.ts";

/** The schemas, each the one of the service of its name alone. */
export const schemas = ["policy", "metering", "providers"] as const;

export type Schema = (typeof schemas)[number];

export interface DatabaseSource {
  /** Those that can be reached. */
  readonly schemas: readonly Schema[];
  /** The connection by which a service reaches its own schema. */
  connectionOf(schema: Schema): Promise<DatabaseConnection>;
  /** Resolves when the database is gone for good. */
  readonly failed: Promise<Error>;
  /** Call it when no connection is open any more. */
  stop(): Promise<void>;
}

/** A PostgreSQL that is there already. */
export function existingDatabase(connections: Readonly<Partial<Record<Schema, DatabaseConnection>>>): DatabaseSource {
  return {
    schemas: schemas.filter((schema) => connections[schema] !== undefined),
    connectionOf: async (schema) => connections[schema]!,
    failed: new Promise(() => undefined),
    stop: async () => undefined,
  };
}

/** A PostgreSQL of Weir's own in the data directory, started when it is first asked for. */
export function ownDatabase(data: DataDirectory, schemas: readonly Schema[], logger: Logger): DatabaseSource {
  const failed = Promise.withResolvers<Error>();
  let starting: Promise<PostgresServer> | undefined;
  let release = (): void => undefined;
  const start = async (): Promise<PostgresServer> => {
    await data.create();
    const lock = lockDirectory(data.path);
    release = () => lock.release();
    const server = await startPostgresServer({ dataDirectory: data.postgres, logger: logger.child({ service: "database" }) });
    void server.failed.then(failed.resolve);
    return server;
  };
  return {
    schemas,
    connectionOf: async (schema) => (await (starting ??= start())).connectionOf(schema),
    failed: failed.promise,
    stop: async () => {
      // What is not started by now is not to be started.
      starting ??= Promise.reject(new Error("Weir stops."));
      const server = await starting.catch(() => undefined);
      await server?.stop();
      release();
    },
  };
}
