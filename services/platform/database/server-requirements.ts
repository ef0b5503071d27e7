/** Owns what a PostgreSQL must be for Weir's tables to stand in it. */
import type pg from "pg";
import { GatewayError } from "../errors.ts";

/** The oldest that the migrations run on. */
const oldestVersion = 14;

export interface ServerFacts {
  /** As `server_version`: "14.23". */
  readonly version: string;
  readonly encoding: string;
}

/** Throws INTERNAL for a server or a database in which Weir cannot work. */
export async function requireFitServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<ServerFacts>("SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding");
  const unfitness = unfitnessOf(rows[0]!);
  if (unfitness !== undefined) throw new GatewayError("INTERNAL", unfitness);
}

/** Why Weir cannot work there, and what to do; undefined where it can. */
export function unfitnessOf({ version, encoding }: ServerFacts): string | undefined {
  if (Number.parseInt(version, 10) < oldestVersion) {
    return `The database server is PostgreSQL ${version}, and Weir needs ${oldestVersion} or newer. Upgrade it, or set WEIR_DATABASE_URL to another one.`;
  }
  // In any other, names in other scripts are refused or damaged, one call at a time.
  if (encoding !== "UTF8") {
    return `The database's encoding is ${encoding}, and Weir needs UTF8: CREATE DATABASE weir ENCODING 'UTF8' TEMPLATE template0, and set WEIR_DATABASE_URL to that one.`;
  }
  return undefined;
}
