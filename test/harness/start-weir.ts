/** Owns a running Weir for tests: the real command, on free ports, with a data directory of its own, in the wiring of the test. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { prepareApartWeir, services, type ApartOptions, type ApartWeir } from "./apart-weir.ts";
import { install } from "./installation.ts";
import { findNatsServer, startNatsServer } from "./nats-server.ts";
import { startWeirProcess, type WeirProcess } from "./weir-process.ts";
import { currentWiring, type Wiring } from "./wiring.ts";

export interface WeirOptions {
  /** The text of weir.yaml. */
  readonly config?: string;
  /** Variables beside PATH and HOME; no vendor's key is inherited. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A data directory that outlives this Weir; default one in which a Weir was started once, which is removed at the end. */
  readonly dataDirectory?: string;
  /** Default the one of the test run. */
  readonly wiring?: Wiring;
}

/** A handle on a running Weir; scenarios know nothing else of it, so that they can run against any wiring. */
export interface Weir extends WeirClient {
  readonly dataDirectory: string;
  readonly configPath: string;
  /** Its processes; one where all services are together. */
  readonly processes: readonly WeirProcess[];
  /** The lines of the logs so far, parsed. */
  log(): readonly Readonly<Record<string, unknown>>[];
  /** Sends the signal and resolves when all has ended, with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** How a Weir is called. */
export interface WeirClient {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  /** Host and port, for gRPC. */
  readonly authority: string;
  readonly inferenceKey: string;
  readonly adminKey: string;
  /** A client with the admin key, or another one. */
  client<Service extends DescService>(service: Service, key?: string): Client<Service>;
  /** The ledger's lines, newest first, once it holds at least so many (of this request). */
  attempts(atLeast: number, filter?: { readonly requestId?: string }): Promise<Attempt[]>;
}

const ledgerWithinMs = 10_000;

export async function startWeir(options: WeirOptions = {}): Promise<Weir> {
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), "weir-test-")));
  const configPath = join(dataDirectory, "weir.yaml");
  const wiring = options.wiring ?? currentWiring();
  if (options.dataDirectory === undefined && wiring === "together") await install(dataDirectory);
  const processes = wiring === "together" ? await startTogether(options, dataDirectory, configPath) : await startApart(options, dataDirectory, configPath, wiring === "apart-nats");
  return {
    ...(await clientOf(dataDirectory)),
    dataDirectory,
    configPath,
    processes: processes.all,
    log: () => processes.all.flatMap((process) => process.log()),
    stop: async (signal = "SIGTERM") => {
      const code = await processes.stop(signal);
      if (options.dataDirectory === undefined) await rm(dataDirectory, { recursive: true, force: true });
      return code;
    },
  };
}

export interface StartedApart {
  readonly weir: WeirClient;
  readonly apart: ApartWeir;
  readonly dataDirectory: string;
  /** Stops all that runs, and removes the data directory. */
  readonly stop: () => Promise<number | null>;
}

/** A Weir whose services are apart, each to be started, stopped and killed on its own; one instance of each runs. */
export async function startApartWeir(config: string, options: Partial<Pick<ApartOptions, "instances" | "environment" | "environmentOf" | "databaseUrl">> = {}): Promise<StartedApart> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "weir-apart-"));
  const apart = await prepareApartWeir({ config, configPath: join(dataDirectory, "weir.yaml"), dataDirectory, environment: {}, ...options });
  const stop = async (): Promise<number | null> => {
    const code = await apart.stop("SIGTERM");
    await rm(dataDirectory, { recursive: true, force: true });
    return code;
  };
  try {
    await Promise.all(services.map((service) => apart.start(service)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { weir: await clientOf(dataDirectory), apart, dataDirectory, stop };
}

/** The caller's view of the Weir that runs on this data directory. */
export async function clientOf(dataDirectory: string): Promise<WeirClient> {
  const read = async (name: string): Promise<string> => (await readFile(join(dataDirectory, name), "utf8")).trim();
  const origin = await read("address");
  const adminKey = await read("admin-key");
  const client = <Service extends DescService>(service: Service, key = adminKey): Client<Service> =>
    createClient(service, createConnectTransport({ baseUrl: origin, httpVersion: "1.1", interceptors: [(next) => (request) => {
      request.header.set("authorization", `Bearer ${key}`);
      return next(request);
    }] }));
  return {
    origin,
    authority: new URL(origin).host,
    inferenceKey: await read("inference-key"),
    adminKey,
    client,
    attempts: (atLeast, filter = {}) => attempts(client(MeteringService), atLeast, filter),
  };
}

interface Processes {
  readonly all: readonly WeirProcess[];
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

async function startTogether({ config, environment = {} }: WeirOptions, dataDirectory: string, configPath: string): Promise<Processes> {
  await writeFile(configPath, config ?? "", { flag: config === undefined ? "a" : "w" });
  const process = await startWeirProcess({ words: ["--config", configPath, "--data", dataDirectory, "--port", "0"], environment });
  return { all: [process], stop: (signal) => process.stop(signal) };
}

async function startApart({ config, environment = {} }: WeirOptions, dataDirectory: string, configPath: string, withNats: boolean): Promise<Processes> {
  // One for each Weir: its stream is for one ledger.
  const nats = withNats ? await startNatsServer((await findNatsServer())!) : undefined;
  const weir = await prepareApartWeir({ config: config ?? "", configPath, dataDirectory, environment: { ...environment, ...(nats === undefined ? {} : { WEIR_NATS_URL: nats.url }) } });
  // All at once, in no order: they wait for each other.
  await Promise.all(services.map((service) => weir.start(service)));
  const stop = async (signal: NodeJS.Signals): Promise<number | null> => {
    const code = await weir.stop(signal);
    await nats?.stop();
    return code;
  };
  return { all: weir.processes, stop };
}

async function attempts(metering: Client<typeof MeteringService>, atLeast: number, filter: { readonly requestId?: string }): Promise<Attempt[]> {
  // The ledger follows the reply: posting is asynchronous by design, so look until it is there.
  const deadline = performance.now() + ledgerWithinMs;
  for (;;) {
    const page = await metering.listAttempts({ ...filter, pageSize: 1_000 });
    if (page.attempts.length >= atLeast) return page.attempts;
    if (performance.now() > deadline) throw new Error(`The ledger has ${page.attempts.length} attempts, not ${atLeast}, after ${ledgerWithinMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
