import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream";
import pg from "pg";
import { inject, onTestFinished, test, expect } from "vitest";
import { createEmptyDatabase, createTestDatabase, urlOf } from "../../../test/harness/database.ts";
import { createLogger } from "../logger.ts";
import type { DatabaseConnection } from "./database-connection.ts";
import { openDatabase, type Database } from "./database.ts";
import { preparedStatement } from "./prepared-statement.ts";

const logger = createLogger("silent");

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "weir [migrations] "));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

function migrationsOf(files: Readonly<Record<string, string>>): string {
  const directory = newDirectory();
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(directory, name), sql);
  return directory;
}

const oneTable = { "001.do.create-counter.sql": "CREATE TABLE counter (value int8 NOT NULL); INSERT INTO counter VALUES (1);" };

async function openCounter(): Promise<Database> {
  const database = await createTestDatabase({ schema: "counting", migrationsDirectory: migrationsOf(oneTable) });
  onTestFinished(() => database.close());
  return database;
}

test("values arrive as exact types, without touching the driver's global parsers", async () => {
  const database = await openCounter();
  const { rows } = await database.query<Record<string, unknown>>(
    "SELECT 9007199254740993::int8 AS big, ARRAY[1, NULL]::int8[] AS many, date '2026-03-29' AS day, current_schema() AS schema",
  );
  expect(rows).toEqual([{ big: 9007199254740993n, many: [1n, null], day: "2026-03-29", schema: "counting" }]);
});

test("a prepared statement is parsed once by each connection, in transactions too, and two with other texts are two", async () => {
  const database = await openCounter();
  const [add, read] = [preparedStatement("UPDATE counter SET value = value + $1"), preparedStatement("SELECT value FROM counter")];
  const { rows, known } = await database.transaction(async (transaction) => {
    for (let times = 0; times < 3; times++) await transaction.query(add, [1]);
    const { rows } = await transaction.query<{ value: bigint }>(read);
    return { rows, known: (await transaction.query<{ statement: string }>("SELECT statement FROM pg_prepared_statements")).rows };
  });
  expect(rows).toEqual([{ value: 4n }]);
  expect(known.map(({ statement }) => statement).toSorted()).toEqual([read.text, add.text]);
});

test("whatever an operator's server has as its default, sessions are as Weir needs them, and options in its URL count beside", async () => {
  const connection = await createEmptyDatabase();
  const defaults = { synchronous_commit: "off", default_transaction_isolation: "serializable", jit: "on", datestyle: "German, DMY" };
  const administration = new pg.Client({ ...connection });
  await administration.connect();
  for (const [name, value] of Object.entries(defaults)) await administration.query(`ALTER DATABASE ${connection.database!} SET ${name} = ${pg.escapeLiteral(value)}`);
  await administration.end();
  const url = `${urlOf(connection)}?options=${encodeURIComponent("-c work_mem=7MB -c search_path=public")}`;
  const database = await openDatabase({ connection: { connectionString: url }, schema: "counting", migrationsDirectory: migrationsOf(oneTable), logger });
  onTestFinished(() => database.close());
  const { rows } = await database.query(
    `SELECT current_schema() AS schema, current_setting('work_mem') AS work_mem, current_setting('synchronous_commit') AS commit,
            current_setting('transaction_isolation') AS isolation, current_setting('jit') AS jit, date '2026-03-29' AS day`,
  );
  expect(rows).toEqual([{ schema: "counting", work_mem: "7MB", commit: "on", isolation: "read committed", jit: "off", day: "2026-03-29" }]);
});

test("a connection brings no settings along: a pooler refuses one that does", async () => {
  const { host, port, ...who } = await createEmptyDatabase();
  const greetings: string[] = [];
  const pooler = createServer((caller) => {
    const server = connect(join(host!, `.s.PGSQL.${port!}`));
    caller.once("data", (greeting) => greetings.push(greeting.subarray(8).toString()));
    pipeline(caller, server, caller, () => {});
  });
  await once(pooler.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void pooler.close());
  const database = await openDatabase({ connection: { ...who, host: "127.0.0.1", port: (pooler.address() as AddressInfo).port }, schema: "counting", migrationsDirectory: migrationsOf(oneTable), logger });
  await database.query("SELECT value FROM counter");
  await database.close();
  const names = greetings.map((greeting) => greeting.split("\0").filter((text, place) => place % 2 === 0 && text !== ""));
  expect(names).toEqual([0, 1].map(() => ["user", "database", "client_encoding"]));
});

test("a connection that breaks while its session is prepared costs one unavailable call and never the process", async () => {
  const { host, port, ...who } = await createEmptyDatabase();
  let isBreaking = false;
  const breaker = createServer((caller) => {
    const server = connect(join(host!, `.s.PGSQL.${port!}`));
    pipeline(server, caller, () => {});
    caller.on("data", (message: Buffer) => {
      // The first thing that a session is told: Q, the simple query.
      if (isBreaking && message.includes("search_path")) caller.destroy();
      else server.write(message);
    });
  });
  await once(breaker.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void breaker.close());
  const connection = { ...who, host: "127.0.0.1", port: (breaker.address() as AddressInfo).port };
  const database = await openDatabase({ connection, schema: "counting", migrationsDirectory: migrationsOf(oneTable), logger });
  onTestFinished(() => database.close());
  isBreaking = true;
  for (const ask of [() => database.query("SELECT 1"), () => database.transaction(async () => {})]) await expect(ask()).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  isBreaking = false;
  expect((await database.query("SELECT value FROM counter")).rows).toHaveLength(1);
});

test("concurrent starters migrate once, and each finds the schema complete", async () => {
  const connection = await createEmptyDatabase();
  const migrationsDirectory = migrationsOf({ ...oneTable, "002.do.wait.sql": "SELECT pg_sleep(0.1); UPDATE counter SET value = value + 1;" });
  const databases = await Promise.all([1, 2, 3].map(() => openDatabase({ connection, schema: "counting", migrationsDirectory, logger })));
  onTestFinished(async () => void (await Promise.all(databases.map((database) => database.close()))));
  for (const database of databases) expect((await database.query("SELECT value FROM counter")).rows).toEqual([{ value: 2n }]);
});

test("a migration that fails leaves nothing behind, and runs once it is mended", async () => {
  const connection = await createEmptyDatabase();
  const broken = migrationsOf({ ...oneTable, "002.do.break.sql": "CREATE TABLE half (); SELECT 1 / 0;" });
  const opening = openDatabase({ connection, schema: "counting", migrationsDirectory: broken, logger });
  await expect(opening).rejects.toMatchObject({ reason: "INTERNAL", message: expect.stringContaining("division by zero") });

  const mended = await openDatabase({ connection, schema: "counting", migrationsDirectory: migrationsOf(oneTable), logger });
  onTestFinished(() => mended.close());
  expect((await mended.query("SELECT to_regclass('half') AS half, value FROM counter")).rows).toEqual([{ half: null, value: 1n }]);
});

test("a migration that was changed after it ran is refused", async () => {
  const connection = await createEmptyDatabase();
  await (await openDatabase({ connection, schema: "counting", migrationsDirectory: migrationsOf(oneTable), logger })).close();
  const changed = migrationsOf({ "001.do.create-counter.sql": "CREATE TABLE counter ();" });
  const opening = openDatabase({ connection, schema: "counting", migrationsDirectory: changed, logger });
  await expect(opening).rejects.toThrow(/MD5 checksum failed for migration \[1\]/);
});

test("a transaction is rolled back when its function throws, and the connection is good for the next", async () => {
  const database = await openCounter();
  const failing = database.transaction(async (transaction) => {
    await transaction.query("UPDATE counter SET value = 99");
    throw new Error("changed my mind");
  });
  await expect(failing).rejects.toThrow("changed my mind");
  const after = await database.transaction(async (transaction) => (await transaction.query("UPDATE counter SET value = value + 1 RETURNING value")).rows);
  expect(after).toEqual([{ value: 2n }]);
});

test("a mistake in a statement stays the driver's error", async () => {
  const database = await openCounter();
  await expect(database.query("SELECT * FROM missing")).rejects.toMatchObject({ code: "42P01" });
});

test("connections that the server ends, idle or in a transaction, cost one unavailable call and never the process", async () => {
  const database = await openCounter();
  const others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
  const inTransaction = database.transaction(async (transaction) => {
    await Promise.all([1, 2, 3].map(() => database.query("SELECT pg_sleep(0.01)")));
    expect((await database.query(`SELECT pg_terminate_backend(pid) AS ended ${others}`)).rows).toEqual(Array(3).fill({ ended: true }));
    await expect.poll(async () => (await database.query(`SELECT ${others}`)).rowCount).toBe(0);
    await transaction.query("SELECT 1");
  });
  await expect(inTransaction).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  expect((await database.query("SELECT value FROM counter")).rows).toEqual([{ value: 1n }]);
});

test.each([
  ["a statement", (database: Database) => database.query("UPDATE counter SET value = value + 1")],
  ["a transaction", (database: Database) => database.transaction((transaction) => transaction.query("UPDATE counter SET value = value + 1"))],
])("%s where nothing can be written is unavailable, and its connection is not used again", async (_, add) => {
  const { connection, database, administration } = await openTwice();
  await administration.query(`ALTER DATABASE ${connection.database} SET default_transaction_read_only = on`);
  await expect(add(database)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  await administration.query(`ALTER DATABASE ${connection.database} RESET default_transaction_read_only`);
  await add(database);
  expect((await database.query("SELECT value FROM counter")).rows).toEqual([{ value: 2n }]);
});

test("a server that does not take the role any more is unavailable: it did at the start", async () => {
  const { connection, database, administration } = await openTwice();
  await administration.query(`ALTER ROLE ${connection.user} PASSWORD 'another'`);
  await expect(database.query("SELECT 1")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
});

/** A counter that one has opened but not asked yet, as a role of its own, and another as a superuser who has. */
async function openTwice() {
  const whole = await createEmptyDatabase();
  const open = (connection: DatabaseConnection) => openDatabase({ connection, schema: "counting", migrationsDirectory: migrationsOf(oneTable), logger });
  const administration = await open(whole);
  const connection = { ...whole, user: `${whole.database}_role`, password: "former" };
  await administration.query(`CREATE ROLE ${connection.user} SUPERUSER LOGIN PASSWORD '${connection.password}'`);
  const database = await open(connection);
  onTestFinished(async () => {
    await database.close();
    await administration.query(`DROP ROLE ${connection.user}`);
    await administration.close();
  });
  return { connection, database, administration };
}

test("a server that cannot be reached is a dependency that is unavailable", async () => {
  const directory = newDirectory();
  const opening = openDatabase({ connection: { host: directory, user: "x", password: "x", database: "x" }, schema: "counting", migrationsDirectory: directory, logger });
  await expect(opening).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
});

test("a wrong password is refused, and the error does not repeat it", async () => {
  const connection = { ...inject("postgresAdministration"), password: "not-the-password" };
  const opening = openDatabase({ connection, schema: "counting", migrationsDirectory: tmpdir(), logger });
  await expect(opening).rejects.toMatchObject({ code: "28P01", message: expect.not.stringContaining("not-the-password") });
});
