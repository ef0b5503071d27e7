/** Owns `weir serve`: it runs Weir until a signal asks it to stop. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { createLogger } from "#platform/logger.ts";
import { allServices, parseServices, serviceNames, type ServiceSet } from "../catalog.ts";
import { DataDirectory } from "../data-directory.ts";
import type { Environment } from "../environment.ts";
import { defaultConfigFile, loadSettings, type Settings } from "../settings.ts";
import { startPage } from "../start-page.ts";
import { startWeir } from "../weir.ts";

interface ServeOptions {
  readonly services: ServiceSet;
  readonly config?: string;
  readonly data?: string;
  readonly port?: number;
  readonly adminPort?: number;
  readonly internalPort?: number;
}

export function addServeCommand(program: Command, environment: Environment): void {
  program
    .command("serve")
    .description("run all services, or some, with a PostgreSQL of their own unless WEIR_DATABASE_URL names one")
    .option("--services <names>", `the services of this process, such as routing,policy (default: all); there are ${serviceNames.join(", ")}`, parseServices, allServices)
    .option("--config <file>", `the configuration (default: ${defaultConfigFile}, if there is one)`)
    .option("--data <directory>", "where Weir keeps what must survive (default: .weir)")
    .option("--port <number>", "the public port, in place of listen.port", readPort)
    .option("--admin-port <number>", "the port of metrics and health, in place of listen.admin_port", readPort)
    .option("--internal-port <number>", "the port for other Weir processes, in place of internal.port", readPort)
    .action((options: ServeOptions) => serve(options, environment));
}

function readPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number from 0 to 65535.");
}

async function serve(options: ServeOptions, environment: Environment): Promise<void> {
  const { variables, databaseUrl } = environment;
  const configPath = findConfigFile(options.config ?? environment.configPath);
  const settings = withOptions(await loadSettings(configPath, variables), options);
  const data = new DataDirectory(resolve(options.data ?? environment.dataDirectory));
  const logger = createLogger(settings.logLevel);
  const { services } = options;
  const weir = await startWeir({ services, settings, configPath, variables, data, databaseUrl, logger });
  console.log(startPage(weir, settings, data));
  const reason = await Promise.race([stopSignal(), weir.failed]);
  if (reason instanceof Error) logger.fatal({ error: reason }, "Weir cannot go on");
  process.exitCode = reason instanceof Error ? 1 : 0;
  await weir.stop(reason === "SIGTERM" ? settings.drainTimeoutMs : Math.min(settings.drainTimeoutMs, interactiveDrainMs));
}

/** The configuration file: the one named, which must exist, or the default one if there is one. */
export function findConfigFile(named: string | undefined): string | undefined {
  if (named !== undefined) return resolve(named);
  return existsSync(defaultConfigFile) ? resolve(defaultConfigFile) : undefined;
}

function withOptions(settings: Settings, { port, adminPort, internalPort }: ServeOptions): Settings {
  return { ...settings, publicPort: port ?? settings.publicPort, adminPort: adminPort ?? settings.adminPort, internalPort: internalPort ?? settings.internalPort };
}

/** Whoever presses Ctrl-C waits for the prompt. */
const interactiveDrainMs = 3_000;

/** npm passes on a Ctrl-C that the terminal has sent to its child already: two at once are one. */
const sameSignalMs = 500;

/** Resolves at the first signal to stop; another one later ends the process at once. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        firstMs ??= performance.now();
        if (performance.now() - firstMs > sameSignalMs) process.exit(130);
        resolve(signal);
      });
    }
  });
}
