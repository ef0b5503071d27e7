/** Owns how the command line talks to a running Weir: through its public port, with the admin key, like any other client. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Option, type Command } from "commander";
import { fromConnectError, GatewayError } from "#platform/errors.ts";
import { ConnectError } from "@connectrpc/connect";
import { DataDirectory, readSecret } from "../data-directory.ts";
import type { Environment } from "../environment.ts";

export interface RunningWeirOptions {
  readonly data?: string;
  readonly address?: string;
}

/** Adds the options that say which Weir is meant. */
export function addRunningWeirOptions(command: Command): Command {
  return command
    .addOption(new Option("--address <url>", "the Weir to talk to (default: WEIR_ADDRESS, or the one that runs on --data)"))
    .addOption(new Option("--data <directory>", "its data directory, for its address and admin key (default: .weir)"));
}

/** A client of the running Weir. Throws when none runs, or there is no admin key. */
export async function connect<Service extends DescService>(service: Service, options: RunningWeirOptions, environment: Environment): Promise<Client<Service>> {
  const data = new DataDirectory(resolve(options.data ?? environment.dataDirectory));
  const baseUrl = checkAddress(options.address ?? environment.address ?? (await readAddress(data)));
  const key = environment.adminKey ?? (await readSecret(data.adminKeyFile))?.reveal();
  if (key === undefined) throw new GatewayError("KEY_MISSING", `There is no admin key in ${data.adminKeyFile}. Set WEIR_ADMIN_KEY, or name the data directory with --data.`);
  const authorize: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${key}`);
    return next(request).catch((error: unknown) => {
      throw error instanceof ConnectError ? explain(fromConnectError(error), baseUrl) : error;
    });
  };
  return createClient(service, createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors: [authorize] }));
}

async function readAddress(data: DataDirectory): Promise<string> {
  try {
    return (await readFile(data.addressFile, "utf8")).trim();
  } catch {
    throw new GatewayError("DEPENDENCY_UNAVAILABLE", `No Weir runs on ${data.path}. Start one with \`npm start\`, or name one with --address.`);
  }
}

function checkAddress(address: string): string {
  if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) return address;
  throw new GatewayError("INVALID_REQUEST", `"${address}" is no address of a Weir: write it as http://127.0.0.1:8080.`);
}

/** What has no answer of a Weir, but a code of the network's, never came to one. */
function explain(error: GatewayError, baseUrl: string): GatewayError {
  const { code } = (error.cause ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? new GatewayError("DEPENDENCY_UNAVAILABLE", `No Weir answers at ${baseUrl} (${code}). Start one with \`npm start\`, or name another with --address.`) : error;
}
