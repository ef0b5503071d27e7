/** Owns what the first process of a Weir hands to its workers: where the databases are, and what of the configuration holds for all of them until they end. */
import { fromJson, toJson, type JsonValue } from "@bufbuild/protobuf";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import type { Schema } from "../database-source.ts";

export interface WorkerOrders {
  readonly connections: Readonly<Partial<Record<Schema, DatabaseConnection>>>;
  /** One that takes a dead one's place later must not listen elsewhere than the others: parts that nobody takes over while it runs. */
  readonly fixedParts: Config;
}

const variable = "WEIR_WORKER_ORDERS";

/** The variables of a worker; nobody but its own user can read them. */
export function writeOrders(orders: WorkerOrders): Record<string, string> {
  return { [variable]: JSON.stringify({ ...orders, fixedParts: toJson(ConfigSchema, orders.fixedParts) }) };
}

/** Undefined in a process that is no worker. */
export function readOrders(variables: Readonly<Record<string, string | undefined>>): WorkerOrders | undefined {
  const text = variables[variable];
  if (text === undefined) return undefined;
  const { fixedParts, ...orders } = JSON.parse(text) as Omit<WorkerOrders, "fixedParts"> & { readonly fixedParts: JsonValue };
  return { ...orders, fixedParts: fromJson(ConfigSchema, fixedParts) };
}
