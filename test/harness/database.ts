/** Owns fresh databases for tests, on the PostgreSQL that the test run has started. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { openDatabase, type Database } from "#platform/database/database.ts";
import { createLogger } from "#platform/logger.ts";

/** A connection to a new, empty database; it lives until the end of the test run. */
export async function createEmptyDatabase(): Promise<DatabaseConnection> {
  const administration = inject("postgresAdministration");
  const database = `test_${randomBytes(6).toString("hex")}`;
  const client = new pg.Client({ ...administration });
  await client.connect();
  await client.query(`CREATE DATABASE ${database}`);
  await client.end();
  return { ...administration, database };
}

/** A new database with the service's schema, migrated; close it after the test. */
export async function createTestDatabase({ schema, migrationsDirectory }: { readonly schema: string; readonly migrationsDirectory: string }): Promise<Database> {
  return openDatabase({ connection: await createEmptyDatabase(), schema, migrationsDirectory, logger: createLogger("silent") });
}
