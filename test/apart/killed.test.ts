import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { startPostgresServer, type PostgresServer } from "#platform/database/postgres-server.ts";
import { createLogger } from "#platform/logger.ts";
import type { ApartWeir, Service } from "../harness/apart-weir.ts";
import { urlOf } from "../harness/database.ts";
import { linesByModel, startCallers, type Outcome } from "../harness/callers.ts";
import { findNatsServer, startNatsServer, type NatsServer } from "../harness/nats-server.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

const inFlight = 10;
const streamChunks = 5;

const natsProgram = await findNatsServer();

let postgresDirectory: string;
let postgres: PostgresServer;
let nats: NatsServer | undefined;
let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let stop: () => Promise<number | null>;

// Usage goes through NATS where there is one: then nothing of the way to the ledger is spared.
beforeAll(async () => {
  postgresDirectory = await mkdtemp(join(tmpdir(), "weir-killed-"));
  postgres = await startPostgresServer({ dataDirectory: postgresDirectory, logger: createLogger("silent") });
  nats = natsProgram === undefined ? undefined : await startNatsServer(natsProgram);
  upstream = await startPacingProvider();
  const config = `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, logging: { level: error } }`;
  const environment = nats === undefined ? {} : { WEIR_NATS_URL: nats.url };
  ({ weir, apart, stop } = await startApartWeir(config, { environment, databaseUrl: urlOf(postgres.administration) }));
});
afterAll(async () => {
  await stop?.();
  await upstream?.stop();
  await nats?.stop();
  await postgres?.stop();
  await rm(postgresDirectory, { recursive: true, force: true });
});

/** Kills something under load and starts it again; resolves with what became of the requests. */
async function killUnderLoad(kill: () => Promise<unknown>, start: () => Promise<unknown>): Promise<readonly Outcome[]> {
  const { origin, inferenceKey: key } = weir;
  const callers = [startCallers({ origin, key, count: inFlight }), startCallers({ origin, key, count: inFlight, chunks: streamChunks })];
  const outcomes = (): Outcome[] => callers.flatMap((each) => each.outcomes);
  const more = (count: number, isWanted: (outcome: Outcome) => boolean = () => true): Promise<void> => {
    const before = outcomes().filter(isWanted).length;
    return expect.poll(() => outcomes().filter(isWanted).length, { timeout: 20_000 }).toBeGreaterThan(before + count);
  };
  await more(30);
  await kill();
  await more(30);
  await start();
  await more(30, ({ isWhole }) => isWhole);
  for (const each of callers) await each.stop();
  return outcomes();
}

const killServiceUnderLoad = (service: Service): Promise<readonly Outcome[]> =>
  killUnderLoad(
    () => apart.process(service).stop("SIGKILL"),
    () => apart.start(service),
  );

async function ledgerHoldsWhatWasServed(): Promise<void> {
  const served = upstream.requests.map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model);
  expect(new Set(served).size).toBe(served.length);
  // What NATS had handed to a metering that died comes to the next one when the time to acknowledge it is over, after 30 s.
  await expect.poll(async () => [...(await linesByModel(weir)).keys()].filter((model) => served.includes(model)).length, { timeout: 60_000, interval: 200 }).toBe(served.length);
  const lines = await linesByModel(weir);
  for (const model of served) expect(lines.get(model), model).toHaveLength(1);
  // What the vendor never saw stands there only as an orphan: an intent whose process died.
  const unserved = [...lines].filter(([model]) => !served.includes(model)).flatMap(([, attempts]) => attempts);
  for (const { event } of unserved) expect([AttemptResult.ORPHANED, AttemptResult.NOT_SENT]).toContain(event!.outcome!.result);
  for (const { event } of [...lines.values()].flat()) {
    if (event!.outcome!.result === AttemptResult.SUCCEEDED) expect(event!.outcome!.usage).toMatchObject({ source: UsageSource.PROVIDER });
  }
}

test.each(["metering", "policy"] as const)("%s killed under load: no request fails, and the ledger has each attempt once", { timeout: 120_000 }, async (service) => {
  const outcomes = await killServiceUnderLoad(service);
  expect(outcomes.filter(({ isWhole }) => !isWhole)).toEqual([]);
  await ledgerHoldsWhatWasServed();
});

test("providers killed under load: requests fail as 503 in the caller's dialect, streams with an error event, and the ledger has each attempt once", { timeout: 120_000 }, async () => {
  const failed = (await killServiceUnderLoad("providers")).filter(({ isWhole }) => !isWhole);
  expect(failed.length).toBeGreaterThan(0);
  for (const { status, text } of failed) {
    expect([200, 503]).toContain(status);
    const error = status === 503 ? text : /data: (\{"error".*)\n/.exec(text)?.[1];
    expect(JSON.parse(error!)).toMatchObject({ error: { message: expect.stringContaining("providers") as string, code: "dependency_unavailable" } });
  }
  await ledgerHoldsWhatWasServed();
});

test("routing killed under load: only its own callers fail, and the ledger has each attempt once", { timeout: 120_000 }, async () => {
  await killServiceUnderLoad("routing");
  await ledgerHoldsWhatWasServed();
});

test("PostgreSQL killed under load: no request fails, and the ledger has each attempt once", { timeout: 120_000 }, async () => {
  const postmaster = async (): Promise<number> => Number((await readFile(join(postgresDirectory, "cluster", "postmaster.pid"), "utf8")).split("\n")[0]);
  const killed = await postmaster();
  const kill = async (): Promise<void> => void process.kill(killed, "SIGKILL");
  // Whoever started it starts it again.
  const isBack = (): Promise<void> => expect.poll(() => postmaster().catch(() => killed), { timeout: 20_000 }).not.toBe(killed);
  const outcomes = await killUnderLoad(kill, isBack);
  expect(outcomes.filter(({ isWhole }) => !isWhole)).toEqual([]);
  await ledgerHoldsWhatWasServed();
});

test.skipIf(natsProgram === undefined)("NATS killed under load: no request fails, and the ledger has each attempt once", { timeout: 120_000 }, async () => {
  const outcomes = await killUnderLoad(
    () => nats!.kill(),
    () => nats!.start(),
  );
  expect(outcomes.filter(({ isWhole }) => !isWhole)).toEqual([]);
  await ledgerHoldsWhatWasServed();
});
