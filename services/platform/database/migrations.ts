/** Owns bringing a schema up to date: plain-SQL migrations, all or none, by one starter at a time. */
import { join } from "node:path";
import pg from "pg";
import Postgrator from "postgrator";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { DatabaseConnection } from "./database-connection.ts";
import { requireFitServer } from "./server-requirements.ts";

const connectTimeoutMs = 10_000;
const lockTimeoutMs = 120_000;

/**
 * Runs the files of the folder that this schema has not seen yet (`001.do.create-tenancy.sql`) in one transaction;
 * other starters wait for it. Throws INTERNAL when a file fails, or was changed after it ran, and for a server that is not fit for them.
 */
export async function migrate(connection: DatabaseConnection, schema: string, migrationsDirectory: string, logger: Logger): Promise<void> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: connectTimeoutMs });
  // A connection that is lost fails the query in flight; the event of it has nothing to add.
  client.on("error", () => {});
  await client.connect();
  try {
    await requireFitServer(client);
    await client.query(`BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    await client.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`weir migrations of ${schema}`]);
    await ensureSchema(client, schema);
    await runMigrations(client, schema, migrationsDirectory, logger);
    await client.query("COMMIT");
  } finally {
    // An open transaction ends with its connection.
    await client.end();
  }
}

// "IF NOT EXISTS" would ask for the right to create schemas also where there is nothing to create.
async function ensureSchema(client: pg.Client, schema: string): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${pg.escapeIdentifier(schema)}`);
}

async function runMigrations(client: pg.Client, schema: string, migrationsDirectory: string, logger: Logger): Promise<void> {
  const postgrator = new Postgrator({
    driver: "pg",
    currentSchema: schema,
    schemaTable: "schema_version",
    migrationPattern: join(escapeGlob(migrationsDirectory), "*.do.*.sql"),
    execQuery: (query) => client.query(query),
  });
  postgrator.on("migration-finished", ({ version, name }) => logger.debug({ schema, version, name }, "migrated the database"));
  try {
    await postgrator.migrate();
  } catch (error) {
    throw new GatewayError("INTERNAL", `The migrations in ${migrationsDirectory} cannot be run on schema ${schema}: ${(error as Error).message}`, { cause: error });
  }
}

function escapeGlob(path: string): string {
  return path.replaceAll(/[?*()[\]{}!+@]/g, "[$&]");
}
