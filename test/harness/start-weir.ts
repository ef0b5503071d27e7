/** Owns a running Weir for tests: the real command in a process of its own, on free ports, with a data directory of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { MeteringService, type Attempt } from "#gen/weir/metering/v1/metering_service_pb.ts";

export interface WeirOptions {
  /** The text of weir.yaml. */
  readonly config?: string;
  /** Variables beside PATH and HOME; no vendor's key is inherited. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A data directory that outlives this Weir; default a new one that is removed at the end. */
  readonly dataDirectory?: string;
}

/** A handle on a running Weir; scenarios know nothing else of it, so that they can run against any wiring. */
export interface Weir {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  /** Host and port, for gRPC. */
  readonly authority: string;
  readonly adminOrigin: string;
  readonly inferenceKey: string;
  readonly adminKey: string;
  readonly dataDirectory: string;
  readonly configPath: string;
  readonly process: ChildProcess;
  /** What it printed for people. */
  readonly page: string;
  /** The lines of its log so far, parsed. */
  log(): readonly Readonly<Record<string, unknown>>[];
  /** A client with the admin key, or another one. */
  client<Service extends DescService>(service: Service, key?: string): Client<Service>;
  /** The ledger's lines, newest first, once it holds at least so many (of this request). */
  attempts(atLeast: number, filter?: { readonly requestId?: string }): Promise<Attempt[]>;
  /** Sends the signal and resolves when the process has ended, with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

const root = new URL("../../", import.meta.url).pathname;
const startWithinMs = 30_000;
const ledgerWithinMs = 10_000;

export async function startWeir(options: WeirOptions = {}): Promise<Weir> {
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), "weir-test-")));
  const configPath = join(dataDirectory, "weir.yaml");
  await writeFile(configPath, options.config ?? "", { flag: options.config === undefined ? "a" : "w" });
  const child = spawn(process.execPath, ["services/compose/weir.js", "serve", "--config", configPath, "--data", dataDirectory, "--port", "0", "--admin-port", "0"], {
    cwd: root,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { page: "", log: "" };
  child.stderr.on("data", (text: Buffer) => (output.log += text.toString()));
  await ready(child, output);
  const origin = (await readFile(join(dataDirectory, "address"), "utf8")).trim();
  const readKey = async (name: string): Promise<string> => (await readFile(join(dataDirectory, name), "utf8")).trim();
  const adminKey = await readKey("admin-key");
  const client = <Service extends DescService>(service: Service, key = adminKey): Client<Service> =>
    createClient(service, createConnectTransport({ baseUrl: origin, httpVersion: "1.1", interceptors: [(next) => (request) => {
      request.header.set("authorization", `Bearer ${key}`);
      return next(request);
    }] }));
  return {
    origin,
    authority: new URL(origin).host,
    adminOrigin: /http:\/\/[^/\s]+(?=\/metrics)/.exec(output.page)![0],
    inferenceKey: await readKey("inference-key"),
    adminKey,
    dataDirectory,
    configPath,
    process: child,
    page: output.page,
    log: () => output.log.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>),
    client,
    attempts: (atLeast, filter = {}) => attempts(client(MeteringService), atLeast, filter),
    stop: async (signal = "SIGTERM") => {
      const code = await stop(child, signal);
      if (options.dataDirectory === undefined) await rm(dataDirectory, { recursive: true, force: true });
      return code;
    },
  };
}

function ready(child: ChildProcess, output: { page: string; log: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => reject(new Error(`Weir ${what}.\n${output.page}\n${output.log}`));
    const timeout = setTimeout(() => fail(`was not ready within ${startWithinMs} ms`), startWithinMs);
    child.once("exit", (code) => fail(`ended with code ${code}`));
    child.stdout!.on("data", (text: Buffer) => {
      output.page += text.toString();
      if (!output.page.includes("Try it:")) return;
      clearTimeout(timeout);
      child.removeAllListeners("exit");
      resolve();
    });
  });
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

function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.kill(signal);
  });
}
