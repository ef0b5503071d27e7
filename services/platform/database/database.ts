/** Owns a service's access to PostgreSQL: a bounded pool on its own schema, migrated before it is handed out. */
import { callbackify } from "node:util";
import pg from "pg";
import type { Logger } from "../logger.ts";
import type { DatabaseConnection } from "./database-connection.ts";
import { isReadOnly, toDatabaseError, toOpeningError } from "./database-errors.ts";
import { migrate } from "./migrations.ts";
import type { PreparedStatement } from "./prepared-statement.ts";
import { prepareSession, statementTimeoutMs } from "./session-settings.ts";
import { getTypeParser } from "./type-parsers.ts";

/**
 * What SQL runs on: the pool, or one transaction.
 * int8 arrives as bigint, date as "YYYY-MM-DD", numeric (also the sum of int8) as text: cast such a sum to int8.
 */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(statement: string | PreparedStatement, values?: readonly unknown[]): Promise<pg.QueryResult<Row>>;
}

/** Every failure that means "PostgreSQL is down or too slow" arrives as DEPENDENCY_UNAVAILABLE, others as pg's DatabaseError. */
export interface Database extends Queryable {
  /** Runs the function in one transaction: committed when it returns, rolled back when it throws. */
  transaction<Result>(use: (transaction: Queryable) => Promise<Result>): Promise<Result>;
  /** The pool itself, for what needs a connection of its own; its errors are pg's. */
  readonly pool: pg.Pool;
  /** Waits for the queries in flight and lets go of all connections. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly connection: DatabaseConnection;
  /** The one schema in which the service's tables lie; made when missing. */
  readonly schema: string;
  /** A folder of plain-SQL files such as `001.do.create-tenancy.sql`. */
  readonly migrationsDirectory: string;
  readonly logger: Logger;
}

// Four services with two processes each fit into the 60 connections of Weir's own PostgreSQL.
const maximumConnections = 7;
const connectTimeoutMs = 5_000;
const idleTimeoutMs = 60_000;
// For a server that went silent: it cannot tell that a statement timed out.
const answerTimeoutMs = statementTimeoutMs + 2_000;

/** Migrates the schema and opens the pool. Throws DEPENDENCY_UNAVAILABLE when PostgreSQL cannot be reached. */
export async function openDatabase({ connection, schema, migrationsDirectory, logger }: DatabaseOptions): Promise<Database> {
  await migrate(connection, schema, migrationsDirectory, logger).catch((error: unknown) => {
    throw toOpeningError(error);
  });
  const pool = new pg.Pool({
    ...connection,
    verify: callbackify((client: pg.PoolClient) => prepareSession(client, schema)),
    types: { getTypeParser },
    max: maximumConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: idleTimeoutMs,
    query_timeout: answerTimeoutMs,
    keepAlive: true,
  });
  // Without a listener a connection that breaks while idle would end the process; the pool has dropped it already.
  pool.on("error", (error) => {
    if (!pool.ending) logger.warn({ error, schema }, "lost an idle connection to the database");
  });

  return {
    pool,
    query: (statement, values) => query(pool, statement, values),
    transaction: (use) => runTransaction(pool, use),
    close: () => pool.end(),
  };
}

async function runTransaction<Result>(pool: pg.Pool, use: (transaction: Queryable) => Promise<Result>): Promise<Result> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toDatabaseError(error);
  });
  // A connection that breaks between two statements says so by an event; the next statement fails anyway.
  const ignore = (): void => {};
  client.on("error", ignore);
  let isBroken = true;
  try {
    await client.query("BEGIN");
    const result = await use({ query: (statement, values) => query(client, statement, values) });
    await client.query("COMMIT");
    isBroken = false;
    return result;
  } catch (error) {
    isBroken = await client.query("ROLLBACK").then(
      () => isReadOnly(error),
      () => true,
    );
    throw toDatabaseError(error);
  } finally {
    client.off("error", ignore);
    client.release(isBroken);
  }
}

async function query<Row extends pg.QueryResultRow>(on: pg.Pool | pg.PoolClient, statement: string | PreparedStatement, values?: readonly unknown[]): Promise<pg.QueryResult<Row>> {
  try {
    return await on.query<Row>({ ...(typeof statement === "string" ? { text: statement } : statement), values: values as unknown[] });
  } catch (error) {
    throw toDatabaseError(error);
  }
}
