/**
 * Owns the proof that the ledger has every served attempt once, whatever is killed or stopped when. The seed decides what is done, and in
 * which order; it is printed, and WEIR_SEED takes it again.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, writeSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { startPostgresServer, type PostgresServer } from "#platform/database/postgres-server.ts";
import { createLogger } from "#platform/logger.ts";
import { services, urlOf, type ApartWeir, type Service } from "../harness/apart-weir.ts";
import { linesByModel } from "../harness/callers.ts";
import { findNatsServer, startNatsServer, type NatsServer } from "../harness/nats-server.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import { seededRandom } from "../harness/random.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";
import { startSteadyLoad } from "./steady-load.ts";

type Victim = Service | "nats-server" | "postgres";

const level = process.env["WEIR_TEST_LEVEL"];
const requestsPerSecond = 100;
const seed = Number(process.env["WEIR_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const natsProgram = await findNatsServer();
const victims: readonly Victim[] = [...services, "postgres", ...(natsProgram === undefined ? [] : (["nats-server"] as const))];
const kills = level === "faults" ? 50 * victims.length : level === "full" ? 20 : 4;

let directory: string;
let postgres: PostgresServer;
let nats: NatsServer | undefined;
let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let stop: () => Promise<number | null>;
let listFile: number;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "weir-faults-"));
  postgres = await startPostgresServer({ dataDirectory: join(directory, "postgres"), logger: createLogger("silent") });
  nats = natsProgram === undefined ? undefined : await startNatsServer(natsProgram);
  listFile = openSync(join(directory, "served"), "a");
  upstream = await startPacingProvider((body) => {
    writeSync(listFile, `${(JSON.parse(body.toString()) as { model: string }).model}\n`);
    fdatasyncSync(listFile);
  });
  const config = `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, breaker: { open_time: 1s }, logging: { level: error } }`;
  ({ weir, apart, stop } = await startApartWeir(config, { environment: nats === undefined ? {} : { WEIR_NATS_URL: nats.url }, databaseUrl: urlOf(postgres.administration) }));
}, 120_000);
afterAll(async () => {
  await stop?.();
  await upstream?.stop();
  await nats?.stop();
  await postgres?.stop();
  if (listFile !== undefined) closeSync(listFile);
  await rm(directory, { recursive: true, force: true });
});

test(`${kills} kills and stops under ${requestsPerSecond} requests a second, seed ${seed}: each served attempt stands once`, { timeout: level === "faults" ? 5_400_000 : 400_000 }, async () => {
  console.log(`WEIR_SEED=${seed}`);
  const random = seededRandom(seed);
  const load = startSteadyLoad({ origin: weir.origin, key: weir.inferenceKey, requestsPerSecond, random: seededRandom(seed + 1) });
  await load.answers(50);
  let providersKills = 0;
  for (let kill = 0; kill < kills; kill++) {
    // Each in turn, so that all are hit; how, and when, is chance.
    const victim = victims[kill % victims.length]!;
    const isKill = random() < 0.6;
    const forMs = Math.floor(random() * 1_000);
    await pause(Math.floor(random() * 700));
    if (isKill && victim === "providers") providersKills++;
    await (isKill ? killAndStart(victim, forMs) : stopAndContinue(victim, forMs));
  }
  // All is well again before the load ends.
  await load.answers(200);
  const { asked, seconds, mostAtOnce } = await load.stop();

  const served = (await readFile(join(directory, "served"), "utf8")).trimEnd().split("\n");
  expect(new Set(served).size).toBe(served.length);
  // What NATS had handed to a metering that died comes again when the time to acknowledge it is over, after 30 s.
  await expect.poll(async () => missing(served, await linesByModel(weir)), { timeout: 180_000, interval: 2_000 }).toEqual([]);
  const lines = await linesByModel(weir);
  const all = [...lines.values()].flat();
  expect(served.filter((model) => lines.get(model)!.length !== 1)).toEqual([]);

  const isServed = new Set(served);
  const unserved = [...lines].filter(([model]) => !isServed.has(model)).flatMap(([, attempts]) => attempts);
  const isExplained: readonly AttemptResult[] = [AttemptResult.ORPHANED, AttemptResult.NOT_SENT, AttemptResult.FAILED, AttemptResult.CANCELLED];
  expect(unserved.filter(({ event }) => !isExplained.includes(event!.outcome!.result))).toEqual([]);
  const orphans = all.filter(({ event }) => event!.rank === UsageSource.ORPHANED);
  expect(orphans.length).toBeLessThanOrEqual(mostAtOnce * providersKills);
  for (const { event } of all.filter(({ event }) => event!.outcome!.result === AttemptResult.SUCCEEDED)) expect(event!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([3n, 5n]);
  // The sums say the same as the lines.
  const [sums] = (await weir.client(MeteringService).queryUsage({})).rows;
  expect(sums).toMatchObject({ attempts: BigInt(all.length), orphanedAttempts: BigInt(orphans.length) });
  console.log(`${asked} requests in ${seconds.toFixed(0)} s, ${served.length} served, ${all.length} lines, ${orphans.length} orphaned, ${unserved.length} never served; ${providersKills} kills of providers`);
});

function missing(served: readonly string[], lines: ReadonlyMap<string, unknown>): string[] {
  return served.filter((model) => !lines.has(model));
}

async function killAndStart(victim: Victim, downMs: number): Promise<void> {
  if (victim === "postgres") {
    const killed = await postmaster();
    process.kill(killed, "SIGKILL");
    // Whoever started it starts it again.
    await expect.poll(() => postmaster().catch(() => killed), { timeout: 30_000 }).not.toBe(killed);
  } else if (victim === "nats-server") {
    await nats!.kill();
    await pause(downMs);
    await nats!.start();
  } else {
    await apart.process(victim).stop("SIGKILL");
    await pause(downMs);
    await apart.start(victim);
  }
}

async function stopAndContinue(victim: Victim, stoppedMs: number): Promise<void> {
  const pid = victim === "postgres" ? await postmaster() : victim === "nats-server" ? nats!.pid! : apart.process(victim).pid;
  process.kill(pid, "SIGSTOP");
  await pause(stoppedMs);
  process.kill(pid, "SIGCONT");
}

async function postmaster(): Promise<number> {
  return Number((await readFile(join(directory, "postgres", "cluster", "postmaster.pid"), "utf8")).split("\n")[0]);
}
