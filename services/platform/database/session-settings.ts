/** Owns what Weir's sessions set for themselves, whatever the server, its database or the role has as a default. */
import pg from "pg";

export const statementTimeoutMs = 15_000;

const settings: Readonly<Record<string, string>> = {
  statement_timeout: `${statementTimeoutMs}ms`,
  idle_in_transaction_session_timeout: "30s",
  // What is confirmed to a journal leaves it, and must outlive the server.
  synchronous_commit: "on",
  // What waits for a row's lock looks at the row again afterwards.
  default_transaction_isolation: "read committed",
  // Statements are short: to compile one took ten times as long as to run it.
  jit: "off",
  // As days are read.
  datestyle: "ISO",
};

/** By a statement: poolers refuse a connection that brings settings along. */
export async function prepareSession(client: pg.ClientBase, schema: string): Promise<void> {
  const assignments = Object.entries(settings).map(([name, value]) => `SET ${name} = ${pg.escapeLiteral(value)}`);
  // The pool listens to connections that are idle, and callers to theirs; one that breaks with nobody listening would end the process. The statement fails anyway.
  const ignore = (): void => {};
  client.on("error", ignore);
  try {
    await client.query([`SET search_path = ${pg.escapeIdentifier(schema)}`, ...assignments].join("; "));
  } finally {
    client.off("error", ignore);
  }
}
