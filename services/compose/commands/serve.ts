/** Owns `weir serve`: it runs Weir until a signal asks it to stop. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { createLogger } from "#platform/logger.ts";
import { probeSilentConnections } from "#platform/http/tcp-keep-alive.ts";
import { allServices, parseServices, schemasOf, serviceNames, type ServiceSet } from "../catalog.ts";
import { existingDatabase, ownDatabase } from "../database-source.ts";
import { DataDirectory } from "../data-directory.ts";
import { defaultConfigFile } from "../defaults.ts";
import type { Environment } from "../environment.ts";
import { withFixedParts } from "../settings/restart-needed.ts";
import { runManyProcesses } from "../run/many-processes.ts";
import { runOneProcess, type Launch } from "../run/one-process.ts";
import { surviveDefects } from "../run/survive-defects.ts";
import { readOrders } from "../run/worker-orders.ts";
import { runWorkerProcess } from "../run/worker-process.ts";
import { loadSettings, readSettings, type Settings } from "../settings/settings.ts";

const lastWordsMs = 1_000;

interface ServeOptions {
  readonly services: ServiceSet;
  readonly config?: string;
  readonly data?: string;
  readonly port?: number;
  readonly adminPort?: number;
  readonly internalPort?: number;
  readonly processes: number;
}

export function addServeCommand(program: Command, environment: Environment): void {
  program
    .command("serve")
    .description("run all services, or some, with a PostgreSQL of their own unless WEIR_DATABASE_URL names one")
    .addOption(new Option("--services <names>", `the services of this process, with commas between: ${serviceNames.join(", ")}`).argParser(parseServices).default(allServices, "all"))
    .option("--config <file>", `the configuration (default: ${defaultConfigFile}, if there is one)`)
    .option("--data <directory>", "where Weir keeps what must survive (default: .weir)")
    .option("--port <number>", "the public port, in place of listen.port", readPort)
    .option("--admin-port <number>", "the port of metrics and health, in place of listen.admin_port", readPort)
    .option("--internal-port <number>", "the port for other Weir processes, in place of internal.port", readPort)
    .option("--processes <number>", "how many processes share the work, to use more cores", readProcesses, 1)
    .action((options: ServeOptions) => serve(options, environment));
}

function readPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number from 0 to 65535.");
}

function readProcesses(text: string): number {
  const processes = Number(text);
  if (Number.isInteger(processes) && processes >= 1 && processes <= 128) return processes;
  throw new InvalidArgumentError("A number from 1 to 128.");
}

async function serve(options: ServeOptions, environment: Environment): Promise<void> {
  const code = await serveToTheEnd(options, environment).catch((error: unknown) => {
    // The error is told; neither what could not be stopped nor the channel to the first of several processes keeps this one longer than that.
    setTimeout(() => process.exit(1), lastWordsMs).unref();
    throw error;
  });
  // A start that was stopped may still wait for something.
  process.exit(code);
}

/** Resolves with the exit code. */
async function serveToTheEnd(options: ServeOptions, environment: Environment): Promise<number> {
  const { variables, databaseUrl } = environment;
  const { services, processes } = options;
  const configPath = findConfigFile(options.config ?? environment.configPath);
  const orders = readOrders(variables);
  const loaded = await loadSettings(configPath, variables, services);
  const settings = withOptions(orders === undefined ? loaded : readSettings(withFixedParts(loaded.file, orders.fixedParts), variables, services), options);
  const data = new DataDirectory(resolve(options.data ?? environment.dataDirectory));
  const logger = createLogger(settings.logLevel);
  surviveDefects(logger);
  probeSilentConnections();
  const launch: Launch = { services, settings, configPath, variables, data, logger };
  return orders === undefined ? run(launch, databaseUrl, processes) : runWorkerProcess(launch, orders);
}

function run(launch: Launch, databaseUrl: string | undefined, processes: number): Promise<number> {
  const connection = { connectionString: databaseUrl! };
  const databases = databaseUrl === undefined ? ownDatabase(launch.data, schemasOf(launch.services), launch.logger) : existingDatabase({ policy: connection, metering: connection, providers: connection });
  return processes === 1 ? runOneProcess(launch, databases) : runManyProcesses(launch, databases, processes);
}

/** The configuration file: the one named, which must exist, or the default one if there is one. */
export function findConfigFile(named: string | undefined): string | undefined {
  if (named !== undefined) return resolve(named);
  return existsSync(defaultConfigFile) ? resolve(defaultConfigFile) : undefined;
}

function withOptions(settings: Settings, { port, adminPort, internalPort }: ServeOptions): Settings {
  return { ...settings, publicPort: port ?? settings.publicPort, adminPort: adminPort ?? settings.adminPort, internalPort: internalPort ?? settings.internalPort };
}
