/** Owns running a script that is written for psql, of which it knows the few words that deploy/postgres.sql uses. */
import pg from "pg";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";

/** Runs the script in the database. Throws for what it does not know. */
export async function runPsqlScript(script: string, connection: DatabaseConnection, environment: Readonly<Record<string, string>>): Promise<void> {
  const variables = new Map([["DBNAME", connection.database!]]);
  const sql = script.replaceAll(/^\\.*$/gm, (line) => {
    const [command, name, value] = line.split(" ");
    if (command === "\\getenv") variables.set(name!, environment[value!]!);
    else if (line !== "\\set ON_ERROR_STOP on") throw new Error(`This psql does not know ${line}.`);
    return "";
  });
  const client = new pg.Client({ ...connection });
  await client.connect();
  try {
    await client.query(sql.replaceAll(/:(["'])(\w+)\1/g, (_, quote: string, name: string) => (quote === '"' ? pg.escapeIdentifier : pg.escapeLiteral)(variables.get(name)!)));
  } finally {
    await client.end();
  }
}
