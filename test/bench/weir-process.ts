/** Owns the Weir of the bench: as `npm start` runs it, everything on, its log in a file, PostgreSQL kept off its CPU. */
import { createReadStream, openSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { model, route } from "./exchange.ts";
import { gatewayCpus, otherCpus, pin, startNode } from "./pinned-process.ts";
import { descendantsOf } from "./process-cpu.ts";

export interface LedgerTotals {
  readonly attempts: number;
  readonly failed: number;
  readonly orphaned: number;
  readonly unpriced: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface BenchedWeir {
  readonly pid: number;
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

/** The flags that `npm start` gives to Node. */
export function nodeFlags(): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { start: string } };
  return scripts.start.split(" ").filter((word) => word.startsWith("--"));
}

/** Starts Weir in a new data directory. */
export async function startBenchedWeir(upstreamPort: number): Promise<BenchedWeir> {
  const dataDirectory = await mkdtemp(dataDirectories);
  const inData = (name: string): string => join(dataDirectory, name);
  const logPath = inData("weir.log");
  await writeFile(inData("weir.yaml"), configFor(upstreamPort));
  const child = startNode({
    cpus: gatewayCpus,
    words: [...nodeFlags(), "services/compose/weir.js", "serve", "--config", inData("weir.yaml"), "--data", dataDirectory, "--port", "0", "--admin-port", "0"],
    stdio: ["ignore", "pipe", openSync(logPath, "a")],
    cwd: root,
    // Nothing else: no vendor's key, no database of somebody's own.
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"] },
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    await rm(dataDirectory, { recursive: true, force: true });
  };
  await becomeReady(child.stdout!, ended).catch(async (error: Error) => {
    const log = await readFile(logPath, "utf8");
    await stop();
    throw new Error(`${error.message}\n${log}`);
  });
  for (const pid of descendantsOf(child.pid!)) pin(otherCpus, pid);
  const read = async (name: string): Promise<string> => (await readFile(inData(name), "utf8")).trim();
  const origin = await read("address");
  return {
    pid: child.pid!,
    port: Number(new URL(origin).port),
    key: await read("inference-key"),
    dataDirectory,
    ledgerWith: ledgerOf(origin, await read("admin-key")),
    countLoggedRequests: () => countRequests(logPath),
    stop,
  };
}

/** A price, so that each attempt is rated; everything else as it comes. */
function configFor(upstreamPort: number): string {
  return JSON.stringify({
    providers: { upstream: { vendor: "openai", api_key: "bench", base_url: `http://127.0.0.1:${upstreamPort}/v1`, models: [model] } },
    routes: { [route]: { targets: [`upstream/${model}`] } },
    prices: { [`openai/${model}`]: { input: "0.15", output: "0.60" } },
  });
}

function becomeReady(page: NodeJS.ReadableStream, ended: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => reject(new Error(`Weir was not ready within ${startWithinMs} ms.`)), startWithinMs);
    void ended.then(() => reject(new Error("Weir ended.")));
    let text = "";
    page.on("data", (piece: Buffer) => {
      text += piece.toString();
      if (!text.includes("Try it:")) return;
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
