/** Owns the Weirs of the bench: one as `npm start` runs it, one with each service in its own process; everything on, logs in files, PostgreSQL kept off their CPU. */
import { createReadStream, openSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { freePort } from "../harness/free-port.ts";
import { model, route } from "./exchange.ts";
import { gatewayCpus, otherCpus, pin, startNode } from "./pinned-process.ts";
import { descendantsOf } from "./process-cpu.ts";
import { translatedModel, translatedRoute } from "./translated-exchange.ts";

export interface LedgerTotals {
  readonly attempts: number;
  readonly failed: number;
  readonly orphaned: number;
  readonly unpriced: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface BenchedWeir {
  /** Its own processes. */
  readonly pids: readonly number[];
  readonly port: number;
  readonly key: string;
  readonly dataDirectory: string;
  /** The ledger's totals, once it holds at least so many attempts, or will not within a minute. */
  ledgerWith(attempts: number): Promise<LedgerTotals>;
  /** The callers' requests that the log tells of. */
  countLoggedRequests(): Promise<number>;
  /** Also removes the data directory. */
  stop(): Promise<void>;
}

const root = new URL("../../", import.meta.url).pathname;
/** On the disk, where /tmp is often in memory. */
const dataDirectories = "/var/tmp/weir-bench-";
const startWithinMs = 30_000;
const ledgerWithinMs = 60_000;
const ledgerPollMs = 200;

/** Starts Weir in a new data directory, as `npm start` does; with a PostgreSQL of its own, unless one is given. */
export async function startWeirTogether(upstreamPort: number, databaseUrl?: string): Promise<BenchedWeir> {
  const directory = await mkdtemp(dataDirectories);
  await writeFile(join(directory, "weir.yaml"), JSON.stringify(configFor(upstreamPort)));
  const process = await startProcess(directory, "weir", [], databaseUrl === undefined ? {} : { WEIR_DATABASE_URL: databaseUrl });
  return benched(directory, [process], { keys: directory, address: directory, log: join(directory, "weir.log") });
}

/** Starts each service in a process of its own; they know each other by a shared secret. */
export async function startWeirApart(upstreamPort: number): Promise<BenchedWeir> {
  const directory = await mkdtemp(dataDirectories);
  const ports = { metering: await freePort(), policy: await freePort(), providers: await freePort() };
  const peers = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `127.0.0.1:${port}`]));
  const config = { ...configFor(upstreamPort), peers, internal: { shared_secret: randomBytes(24).toString("hex") } };
  await writeFile(join(directory, "weir.yaml"), JSON.stringify(config));
  const names = ["metering", "policy", "providers", "routing"] as const;
  const processes = await Promise.all(names.map((name) => startProcess(directory, name, ["--services", name, ...(name === "routing" ? [] : ["--internal-port", String(ports[name])])])));
  return benched(directory, processes, { keys: join(directory, "policy"), address: join(directory, "routing"), log: join(directory, "routing.log") });
}

interface StartedProcess {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Its data and its log are in the directory under its name; ready when it says so. */
async function startProcess(directory: string, name: string, words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<StartedProcess> {
  const logPath = join(directory, `${name}.log`);
  const child = startNode({
    cpus: gatewayCpus,
    words: ["services/compose/weir.js", "serve", "--config", join(directory, "weir.yaml"), "--data", name === "weir" ? directory : join(directory, name), "--port", "0", "--admin-port", "0", ...words],
    stdio: ["ignore", "pipe", openSync(logPath, "a")],
    cwd: root,
    // Nothing else: no vendor's key, no database of somebody's own.
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  await becomeReady(child.stdout!, ended).catch(async (error: Error) => {
    await stop();
    throw new Error(`${error.message}\n${await readFile(logPath, "utf8")}`);
  });
  for (const pid of descendantsOf(child.pid!)) pin(otherCpus, pid);
  return { pid: child.pid!, stop };
}

interface Places {
  readonly keys: string;
  readonly address: string;
  readonly log: string;
}

async function benched(dataDirectory: string, processes: readonly StartedProcess[], { keys, address, log }: Places): Promise<BenchedWeir> {
  const read = async (directory: string, name: string): Promise<string> => (await readFile(join(directory, name), "utf8")).trim();
  const origin = await read(address, "address");
  return {
    pids: processes.map(({ pid }) => pid),
    port: Number(new URL(origin).port),
    key: await read(keys, "inference-key"),
    dataDirectory,
    ledgerWith: ledgerOf(origin, await read(keys, "admin-key")),
    countLoggedRequests: () => countRequests(log),
    stop: async () => {
      for (const process of processes.toReversed()) await process.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** A price, so that each attempt is rated; everything else as it comes. */
function configFor(upstreamPort: number): object {
  return {
    providers: {
      upstream: { vendor: "openai", api_key: "bench", base_url: `http://127.0.0.1:${upstreamPort}/v1`, models: [model] },
      translated: { vendor: "gemini", api_key: "bench", base_url: `http://127.0.0.1:${upstreamPort}/v1beta`, models: [translatedModel] },
    },
    routes: { [route]: { targets: [`upstream/${model}`] }, [translatedRoute]: { targets: [`translated/${translatedModel}`] } },
    prices: Object.fromEntries([`openai/${model}`, `gemini/${translatedModel}`].map((name) => [name, { input: "0.15", output: "0.60" }])),
  };
}

function becomeReady(page: NodeJS.ReadableStream, ended: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => reject(new Error(`Weir was not ready within ${startWithinMs} ms.`)), startWithinMs);
    void ended.then(() => reject(new Error("Weir ended.")));
    let text = "";
    page.on("data", (piece: Buffer) => {
      text += piece.toString();
      if (!text.includes("Metrics, health")) return;
      clearTimeout(timeout);
      resolve();
    });
  });
}

function ledgerOf(origin: string, adminKey: string): BenchedWeir["ledgerWith"] {
  const metering = createClient(MeteringService, createConnectTransport({ baseUrl: origin, httpVersion: "1.1" }));
  const read = async (): Promise<LedgerTotals> => {
    const { rows: [row] } = await metering.queryUsage({}, { headers: { authorization: `Bearer ${adminKey}` } });
    const quantity = (meter: Meter): number => Number(row?.quantities.find((one) => one.meter === meter)?.quantity ?? 0);
    return {
      attempts: Number(row?.attempts ?? 0),
      failed: Number(row?.failedAttempts ?? 0),
      orphaned: Number(row?.orphanedAttempts ?? 0),
      unpriced: Number(row?.unpricedAttempts ?? 0),
      inputTokens: quantity(Meter.INPUT_TOKENS),
      outputTokens: quantity(Meter.OUTPUT_TOKENS),
    };
  };
  return async (attempts) => {
    // The ledger follows the replies: posting is asynchronous by design.
    for (const deadlineMs = performance.now() + ledgerWithinMs; ; ) {
      const totals = await read();
      if (totals.attempts >= attempts || performance.now() > deadlineMs) return totals;
      await new Promise((resolve) => setTimeout(resolve, ledgerPollMs));
    }
  };
}

async function countRequests(logPath: string): Promise<number> {
  let requests = 0;
  for await (const line of createInterface({ input: createReadStream(logPath) })) if (line.includes('"door":"http"')) requests++;
  return requests;
}
