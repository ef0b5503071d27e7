/** Owns `weir health`: whether the Weir of this machine is ready, as the exit code that container engines ask for. */
import { get } from "node:http";
import { existsSync } from "node:fs";
import { text } from "node:stream/consumers";
import { InvalidArgumentError, type Command } from "commander";
import { GatewayError } from "#platform/errors.ts";
import { defaultAdminAddress, defaultAdminPort, defaultConfigFile } from "../defaults.ts";
import type { Environment } from "../environment.ts";
import { reachableHost } from "../reachable-host.ts";

interface HealthOptions {
  readonly adminPort?: number;
  readonly config?: string;
}

/** Container engines give a check a few seconds; the reason is to be told before. */
const answerTimeoutMs = 3_000;

export function addHealthCommand(program: Command, environment: Environment): void {
  program
    .command("health")
    .description("say whether the Weir of this machine is ready; the exit code is 0 if it is, else 1")
    .option("--admin-port <number>", `its port of metrics and health, on 127.0.0.1 (default: listen.admin_port, or ${defaultAdminPort})`, readPort)
    .option("--config <file>", `the configuration that names address and port (default: ${defaultConfigFile}, if there is one)`)
    .action(async ({ adminPort, config }: HealthOptions) => {
      const authority = adminPort === undefined ? await configuredAuthority(config ?? environment.configPath, environment) : `${defaultAdminAddress}:${adminPort}`;
      const { status, line } = await ask(`http://${authority}/readyz`);
      if (status !== 200) throw new GatewayError("DEPENDENCY_UNAVAILABLE", `Weir is not ready: ${line}.`);
      console.log("ready");
    });
}

function readPort(digits: string): number {
  const port = Number(digits);
  if (Number.isInteger(port) && port > 0 && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number from 1 to 65535.");
}

async function configuredAuthority(named: string | undefined, { variables }: Environment): Promise<string> {
  const path = named ?? (existsSync(defaultConfigFile) ? defaultConfigFile : undefined);
  if (path === undefined) return `${defaultAdminAddress}:${defaultAdminPort}`;
  // Reading a configuration takes longer than asking: only who needs it waits for it.
  const [{ loadConfigFile }, { ConfigSchema }] = await Promise.all([import("#platform/config-file/load-config-file.ts"), import("#gen/weir/config/v1/config_pb.ts")]);
  const { listen } = await loadConfigFile({ path, environment: variables, schema: ConfigSchema });
  return `${reachableHost(listen?.adminAddress ?? defaultAdminAddress)}:${listen?.adminPort ?? defaultAdminPort}`;
}

function ask(url: string): Promise<{ readonly status: number | undefined; readonly line: string }> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new GatewayError("DEPENDENCY_UNAVAILABLE", `No Weir answers at ${url}: ${reason}.`));
    const request = get(url, { timeout: answerTimeoutMs, agent: false }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode, line: body.trim() }),
        (error: Error) => fail(error.message),
      );
    });
    request.on("timeout", () => request.destroy(new Error(`nothing came within ${answerTimeoutMs} ms`)));
    request.on("error", (error) => fail(error.message));
  });
}
