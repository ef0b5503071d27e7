/** Owns a Weir of separate processes for tests: one or more of each service, each started, stopped and killed on its own. */
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { createMigratedDatabase, urlOf } from "./database.ts";
import { freePort } from "./free-port.ts";
import { startWeirProcess, type WeirProcess } from "./weir-process.ts";

export const services = ["metering", "policy", "providers", "routing"] as const;
export type Service = (typeof services)[number];

export interface ApartOptions {
  /** The text of weir.yaml; internal ports and peers are added to it. */
  readonly config: string;
  readonly configPath: string;
  /** Where all processes keep what must survive, each what is its own. */
  readonly dataDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What the processes of one service have beside it. */
  readonly environmentOf?: Readonly<Partial<Record<Service, Readonly<Record<string, string>>>>>;
  /** How many instances of a service there can be at most; 1 where nothing is said. */
  readonly instances?: Readonly<Partial<Record<Service, number>>>;
  /** A PostgreSQL of its own; default a new database on that of the test run. */
  readonly databaseUrl?: string;
}

export interface ApartWeir {
  /** Starts an instance; resolves when it is ready. */
  start(service: Service, instance?: number): Promise<WeirProcess>;
  /** Where an instance of routing answers callers. */
  originOf(instance: number): string;
  /** The instance that runs, or ran last. */
  process(service: Service, instance?: number): WeirProcess;
  /** All that were started, those that ended included. */
  readonly processes: readonly WeirProcess[];
  /** Sends the signal to all that run; resolves with the highest exit code, null for a death by signal. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

/** Prepares the database, the ports and the configuration; starts nothing yet. */
export async function prepareApartWeir({ config, configPath, dataDirectory, environment, environmentOf = {}, instances = {}, databaseUrl }: ApartOptions): Promise<ApartWeir> {
  const ports = new Map<string, number>();
  for (const service of services) {
    for (let instance = 0; instance < (instances[service] ?? 1); instance++) ports.set(`${service} ${instance}`, await freePort());
  }
  const addressOf = (service: Service): string => {
    const own = [...ports].filter(([name]) => name.startsWith(`${service} `));
    return `ipv4:${own.map(([, port]) => `127.0.0.1:${port}`).join(",")}`;
  };
  const peers = { policy: addressOf("policy"), metering: addressOf("metering"), providers: addressOf("providers") };
  const whole = { ...(parse(config) as object | null), internal: { shared_secret: "${WEIR_TEST_SECRET}" }, peers };
  const variables = { WEIR_DATABASE_URL: databaseUrl ?? (await databaseOf(dataDirectory)), WEIR_TEST_SECRET: randomBytes(24).toString("hex"), ...environment };
  await writeFile(configPath, stringify(whole));

  const started = new Map<string, WeirProcess>();
  const all: WeirProcess[] = [];
  const serviceOf = new Map<WeirProcess, Service>();
  return {
    async start(service, instance = 0) {
      const name = `${service} ${instance}`;
      const port = ports.get(name)!;
      // Routing has no internal port; its number serves for the public one.
      const portOption = service === "routing" ? "--port" : "--internal-port";
      const process = await startWeirProcess({ words: ["--services", service, "--config", configPath, "--data", dataDirectory, portOption, String(port)], environment: { ...variables, ...environmentOf[service] } });
      started.set(name, process);
      all.push(process);
      serviceOf.set(process, service);
      return process;
    },
    originOf: (instance) => `http://127.0.0.1:${ports.get(`routing ${instance}`)}`,
    process: (service, instance = 0) => started.get(`${service} ${instance}`)!,
    processes: all,
    async stop(signal) {
      const codes: (number | null)[] = [];
      // The callers before those whom they call, as an operator would; a crash waits for nobody.
      const groups = signal === "SIGKILL" ? [all] : services.toReversed().map((service) => all.filter((process) => serviceOf.get(process) === service));
      for (const group of groups) codes.push(...(await Promise.all(group.map((process) => process.stop(signal)))));
      return codes.includes(null) ? null : Math.max(...(codes as number[]));
    },
  };
}

const schemas = ["policy", "metering", "providers"].map((schema) => ({ schema, migrationsDirectory: fileURLToPath(new URL(`../../services/${schema}/store/migrations/`, import.meta.url)) }));

/** The database of a data directory: the same again when a Weir is started on it anew. */
async function databaseOf(dataDirectory: string): Promise<string> {
  const file = join(dataDirectory, "database-url");
  const known = await readFile(file, "utf8").catch(() => undefined);
  if (known !== undefined) return known;
  const url = urlOf(await createMigratedDatabase(schemas));
  await writeFile(file, url, { mode: 0o600 });
  return url;
}
