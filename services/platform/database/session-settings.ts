/** Owns what Weir's sessions set for themselves, whatever the server, its database or the role has as a default. */
import pg from "pg";
import type { DatabaseConnection } from "./database-connection.ts";

const settings: Readonly<Record<string, string>> = {
  // What is confirmed to a journal leaves it, and must outlive the server.
  synchronous_commit: "on",
  // What waits for a row's lock looks at the row again afterwards.
  default_transaction_isolation: "read committed",
  // Statements are short: to compile one took ten times as long as to run it.
  jit: "off",
  // As days are read.
  datestyle: "ISO",
};

/** The connection with these settings, in this schema; options that a URL brings stay. */
export function withSessionSettings(connection: DatabaseConnection, schema: string): DatabaseConnection & { readonly options: string } {
  const own = Object.entries({ ...settings, search_path: pg.escapeIdentifier(schema) })
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, "\\$&")}`)
    .join(" ");
  const { connectionString } = connection;
  if (connectionString === undefined || !URL.canParse(connectionString)) return { ...connection, options: own };
  const url = new URL(connectionString);
  const options = [url.searchParams.get("options"), own].filter(Boolean).join(" ");
  // The driver takes what stands in the URL before what stands beside it.
  url.searchParams.set("options", options);
  return { connectionString: url.href, options };
}
