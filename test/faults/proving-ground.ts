/** Owns what every drill under load stands on: a Weir apart with a PostgreSQL and a NATS of its own, and an upstream that keeps an fsynced list of what it served. */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgresServer } from "#platform/database/postgres-server.ts";
import { createLogger } from "#platform/logger.ts";
import type { ApartWeir } from "../harness/apart-weir.ts";
import { urlOf } from "../harness/database.ts";
import { findNatsServer, startNatsServer, type NatsServer } from "../harness/nats-server.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import { postmasterOf } from "../harness/postmaster.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

/** Without it the drills of NATS cannot be run, and usage goes to metering directly. */
export const natsProgram = await findNatsServer();

/** What the upstream reports of every call. */
export const servedTokens = [3n, 5n];

export interface ProvingGround {
  readonly weir: WeirClient;
  readonly apart: ApartWeir;
  readonly dataDirectory: string;
  readonly nats: NatsServer | undefined;
  readonly postgres: {
    /** Ends it in good order, until it is started again. */
    stop(): Promise<void>;
    start(): Promise<void>;
    /** The process that all others of it hang on; who starts it keeps it running. */
    postmaster(): Promise<number>;
  };
  /** What the upstream has said an answer to, or begun to, oldest first. */
  served(): Promise<readonly Served[]>;
  stop(): Promise<void>;
}

export interface Served {
  readonly model: string;
  readonly timeMs: number;
}

export interface Ground {
  /** Fields of weir.yaml beside the provider `up`, as JSON would have them. */
  readonly config?: object;
}

/** What was started is stopped again when a later part fails. */
export async function openProvingGround(ground: Ground = {}): Promise<ProvingGround> {
  const cleanups: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    return { ...(await open(ground, cleanups)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function open({ config = {} }: Ground, cleanups: (() => unknown)[]): Promise<Omit<ProvingGround, "stop">> {
  const directory = await mkdtemp(join(tmpdir(), "weir-faults-"));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const startPostgres = () => startPostgresServer({ dataDirectory: join(directory, "postgres"), logger: createLogger("silent") });
  let postgres = await startPostgres();
  cleanups.push(() => postgres.stop());
  const nats = natsProgram === undefined ? undefined : await startNatsServer(natsProgram);
  cleanups.push(() => nats?.stop());
  const list = join(directory, "served");
  const listFile = openSync(list, "a");
  cleanups.push(() => closeSync(listFile));
  const upstream = await startPacingProvider((body) => {
    writeSync(listFile, `${(JSON.parse(body.toString()) as { model: string }).model} ${Date.now()}\n`);
    fdatasyncSync(listFile);
  });
  cleanups.push(() => upstream.stop());
  const whole = { providers: { up: { vendor: "openai", api_key: "k", base_url: upstream.baseUrl, models: ["m"] } }, breaker: { open_time: "1s" }, logging: { level: "error" }, ...config };
  const environment = nats === undefined ? {} : { WEIR_NATS_URL: nats.url };
  const { stop, ...apart } = await startApartWeir(JSON.stringify(whole), { environment, databaseUrl: urlOf(postgres.administration) });
  cleanups.push(stop);
  return {
    ...apart,
    nats,
    postgres: {
      stop: () => postgres.stop(),
      start: async () => void (postgres = await startPostgres()),
      postmaster: () => postmasterOf(join(directory, "postgres", "cluster")),
    },
    served: async () => (await readFile(list, "utf8")).trimEnd().split("\n").map(readServed),
  };
}

function readServed(line: string): Served {
  const [model, timeMs] = line.split(" ") as [string, string];
  return { model, timeMs: Number(timeMs) };
}
