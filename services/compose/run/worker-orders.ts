/** Owns what the first process of a Weir hands to its workers: where the databases are. */
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import type { Schema } from "../database-source.ts";

export interface WorkerOrders {
  readonly connections: Readonly<Partial<Record<Schema, DatabaseConnection>>>;
}

const variable = "WEIR_WORKER_ORDERS";

/** The variables of a worker; nobody but its own user can read them. */
export function writeOrders(orders: WorkerOrders): Record<string, string> {
  return { [variable]: JSON.stringify(orders) };
}

/** Undefined in a process that is no worker. */
export function readOrders(variables: Readonly<Record<string, string | undefined>>): WorkerOrders | undefined {
  const text = variables[variable];
  return text === undefined ? undefined : (JSON.parse(text) as WorkerOrders);
}
