/** Owns fresh databases for tests, on the PostgreSQL that the test run has started. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { openDatabase, type Database } from "#platform/database/database.ts";
import { createLogger } from "#platform/logger.ts";

interface Schema {
  readonly schema: string;
  readonly migrationsDirectory: string;
}

/** A connection to a new, empty database; it lives until the end of the test run. */
export function createEmptyDatabase(): Promise<DatabaseConnection> {
  return copyDatabase("template1");
}

/** Likewise, with all that is in another one, to which nobody may be connected. */
export async function copyDatabase(from: string): Promise<DatabaseConnection> {
  const administration = inject("postgresAdministration");
  const database = `test_${randomBytes(6).toString("hex")}`;
  const client = new pg.Client({ ...administration });
  await client.connect();
  await client.query(`CREATE DATABASE ${database} TEMPLATE ${from}`);
  await client.end();
  return { ...administration, database };
}

/** The connection as WEIR_DATABASE_URL wants it. */
export function urlOf({ host, port, user, password, database }: DatabaseConnection): string {
  const [safeUser, safePassword, safeHost] = [user!, password!, host!].map(encodeURIComponent);
  return `postgresql://${safeUser}:${safePassword}@${safeHost}:${port}/${database!}`;
}

/** A new database with the service's schema, migrated; close it after the test. */
export async function createTestDatabase(schema: Schema): Promise<Database> {
  return open(schema, await createMigratedDatabase([schema]));
}

/** A connection to a new database with these schemas, migrated, and nothing in them. */
export async function createMigratedDatabase(schemas: readonly Schema[]): Promise<DatabaseConnection> {
  const key = schemas.map(({ migrationsDirectory }) => migrationsDirectory).join();
  let migrated = migratedOnce.get(key);
  migratedOnce.set(key, (migrated ??= migrate(schemas)));
  return copyDatabase(await migrated);
}

/** The names of databases to copy, by their migrations: these are many, and copying takes a fraction of the time. */
const migratedOnce = new Map<string, Promise<string>>();

async function migrate(schemas: readonly Schema[]): Promise<string> {
  const connection = await createEmptyDatabase();
  for (const schema of schemas) await (await open(schema, connection)).close();
  return connection.database!;
}

function open({ schema, migrationsDirectory }: Schema, connection: DatabaseConnection): Promise<Database> {
  return openDatabase({ connection, schema, migrationsDirectory, logger: createLogger("silent") });
}
