import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { createEmptyDatabase } from "../../../test/harness/database.ts";
import { createLogger } from "../logger.ts";
import { openDatabase } from "./database.ts";
import { unfitnessOf } from "./server-requirements.ts";

test.each([
  ["13.23", "is PostgreSQL 13.23, and Weir needs 14 or newer"],
  ["9.6.24", "is PostgreSQL 9.6.24"],
])("PostgreSQL %s is too old, and is told so", (version, words) => {
  expect(unfitnessOf({ version, encoding: "UTF8" })).toContain(words);
});

test.each(["14.0", "15.20 (Debian 15.20-0+deb12u1)", "18.4", "19beta1"])("PostgreSQL %s will do", (version) => {
  expect(unfitnessOf({ version, encoding: "UTF8" })).toBeUndefined();
});

test("a database of another encoding than UTF8 is refused at the start, with what to do", async () => {
  const connection = await createEmptyDatabase();
  const administration = new pg.Client({ ...connection });
  await administration.connect();
  onTestFinished(() => administration.end());
  const database = `${connection.database!}_ascii`;
  await administration.query(`CREATE DATABASE ${database} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0`);
  const opening = openDatabase({ connection: { ...connection, database }, schema: "counting", migrationsDirectory: "nowhere", logger: createLogger("silent") });
  await expect(opening).rejects.toMatchObject({ reason: "INTERNAL", message: expect.stringContaining("encoding is SQL_ASCII, and Weir needs UTF8: CREATE DATABASE") });
});
