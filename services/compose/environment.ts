/** Owns reading the environment; nothing else in Weir does. */
import { resolve } from "node:path";

export interface Environment {
  /** All variables, for `${NAME}` in the configuration and the vendors' well-known names. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** WEIR_DATA: where Weir keeps what must survive; default `.weir` here. */
  readonly dataDirectory: string;
  /** WEIR_DATABASE_URL: a PostgreSQL to use in place of Weir's own. */
  readonly databaseUrl: string | undefined;
  /** WEIR_CONFIG: the configuration file; default `weir.yaml` here, if there is one. */
  readonly configPath: string | undefined;
  /** WEIR_ADDRESS and WEIR_ADMIN_KEY: the Weir that the other commands talk to; default the one of the data directory. */
  readonly address: string | undefined;
  readonly adminKey: string | undefined;
}

export function readEnvironment(): Environment {
  const variables = process.env;
  return {
    variables,
    dataDirectory: resolve(variables["WEIR_DATA"] ?? ".weir"),
    databaseUrl: textOf(variables["WEIR_DATABASE_URL"]),
    configPath: textOf(variables["WEIR_CONFIG"]),
    address: textOf(variables["WEIR_ADDRESS"]),
    adminKey: textOf(variables["WEIR_ADMIN_KEY"]),
  };
}

function textOf(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
