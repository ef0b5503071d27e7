/** Owns how the services share Weir's own PostgreSQL: one database, in it a login role and a schema for each service. */
import pg from "pg";
import type { DatabaseConnection } from "./database-connection.ts";

const sharedDatabase = "weir";
const administrationTimeoutMs = 10_000;

/** Makes the database that all services share; `administration` is the superuser's connection to any database. */
export async function ensureSharedDatabase(administration: DatabaseConnection): Promise<DatabaseConnection> {
  await withClient(administration, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [sharedDatabase]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${sharedDatabase}`);
    await client.query(`REVOKE ALL ON DATABASE ${sharedDatabase} FROM PUBLIC`);
  });
  return { ...administration, database: sharedDatabase };
}

/**
 * Makes the service's role, which owns the schema of the same name and can use no other.
 * `administration` is the superuser's connection to the database that the services share.
 */
export async function ensureServiceLogin(administration: DatabaseConnection, service: string, password: string): Promise<DatabaseConnection> {
  const role = pg.escapeIdentifier(service);
  await withClient(administration, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_roles WHERE rolname = $1", [service]);
    if (rowCount === 0) await client.query(`CREATE ROLE ${role} LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
    await client.query(`GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(administration.database!)} TO ${role}`);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${role} AUTHORIZATION ${role}`);
  });
  return { ...administration, user: service, password };
}

async function withClient(connection: DatabaseConnection, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: administrationTimeoutMs, query_timeout: administrationTimeoutMs });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
