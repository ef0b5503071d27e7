/** Owns `weir config check`: it says what is wrong with a configuration, before a start or a reload does. */
import { Option, type Command } from "commander";
import { GatewayError } from "#platform/errors.ts";
import { readListenerFiles } from "#platform/http/listener-tls.ts";
import { allServices, parseServices, serviceNames, type ServiceSet } from "../catalog.ts";
import { defaultConfigFile } from "../defaults.ts";
import type { Environment } from "../environment.ts";
import { readInternalSettings } from "../settings/internal-settings.ts";
import { loadSettings, type Settings } from "../settings/settings.ts";
import { findConfigFile } from "./serve.ts";

export function addConfigCommand(program: Command, environment: Environment): void {
  program
    .command("config")
    .description("work on the configuration")
    .command("check")
    .description("check the configuration and say what is wrong with it, with the line")
    .option("--config <file>", `the configuration (default: ${defaultConfigFile})`)
    .addOption(new Option("--services <names>", `as a process of these services reads it, without the keys and secrets of others: ${serviceNames.join(", ")}`).argParser(parseServices).default(allServices, "all"))
    .action(async ({ config, services }: { config?: string; services: ServiceSet }) => {
      const path = findConfigFile(config ?? environment.configPath);
      if (path === undefined) throw new GatewayError("NOT_FOUND", `There is no ${defaultConfigFile} here; Weir starts with its defaults. Name a file with --config.`);
      const settings = await loadSettings(path, environment.variables, services);
      checkStart(settings, services);
      const { providers, routing } = settings;
      const routes = count(routing.routes.size, "route");
      console.log(services.has("providers") ? `${path} is valid: ${count(providers.providers.size, "provider")}, ${routes}.` : `${path} is valid for ${[...services].join(", ")}: ${routes}.`);
    });
}

/** What only a start looks at: how the services of this process and others reach each other, and the files of the public port. */
function checkStart({ file, nats, publicTls }: Settings, services: ServiceSet): void {
  readInternalSettings(file, services, nats !== undefined);
  if (services.has("routing") && publicTls !== undefined) readListenerFiles(publicTls);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
