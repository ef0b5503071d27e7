/** Proves how soon what policy decides holds on every process of routing, and what each kind of key does while policy or PostgreSQL cannot be asked. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { startPostgresServer, type PostgresServer } from "#platform/database/postgres-server.ts";
import { createLogger } from "#platform/logger.ts";
import type { ApartWeir } from "../harness/apart-weir.ts";
import { urlOf } from "../harness/database.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

const routings = 4;
const policies = 2;
const revocations = 25;
const inForceWithinMs = 1_000;
const streamCutWithinMs = 5_000;
const amplyNanos = 1_000_000_000_000n;
/** Far more chunks than there is time for. */
const endlessChunks = 10_000;
/** As long as a call waits for a policy that says nothing, and a moment. */
const hearsWithinMs = 6_000;
/** As long as a lease lives, and a moment. */
const leaseEndWithinMs = 40_000;

let directory: string;
let postgres: PostgresServer;
let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let stop: () => Promise<number | null>;
let teamId: string;
let organizationId: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-consistency-"));
  postgres = await startPostgresServer({ dataDirectory: directory, logger: createLogger("silent") });
  upstream = await startPacingProvider();
  const config = `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, prices: { openai/m: { input: "1", output: "1" } }, logging: { level: error } }`;
  ({ weir, apart, stop } = await startApartWeir(config, { instances: { routing: routings, policy: policies }, databaseUrl: urlOf(postgres.administration) }));
  for (let instance = 1; instance < routings; instance++) await apart.start("routing", instance);
  for (let instance = 1; instance < policies; instance++) await apart.start("policy", instance);
  ({ id: teamId, organizationId } = (await policy().listTeams({})).teams[0]!);
});
afterAll(async () => {
  await stop?.();
  await upstream?.stop();
  await postgres?.stop();
  await rm(directory, { recursive: true, force: true });
});

test(`a revoked key is refused by all of ${routings} processes within a second, 99 of 100 times, and their streams end within five`, { timeout: 120_000 }, async () => {
  const tookMs: number[] = [];
  for (let revocation = 0; revocation < revocations; revocation++) {
    const { id, secret } = await makeKey(Consistency.STALE_OK);
    await onEachRouting((routing) => expect.poll(() => ask(secret, routing)).toBe(200));
    await policy().revokeKey({ keyId: id });
    const revokedMs = performance.now();
    await onEachRouting(async (routing) => {
      while ((await ask(secret, routing)) !== 401);
      tookMs.push(performance.now() - revokedMs);
    });
  }
  const sorted = tookMs.toSorted((one, other) => one - other);
  console.log(`revocations in force after ${Math.round(sorted[sorted.length >> 1]!)} ms p50, ${Math.round(sorted.at(-1)!)} ms at most, of ${sorted.length}`);
  expect(sorted[Math.floor(sorted.length * 0.99)]!).toBeLessThan(inForceWithinMs);

  const { id, secret } = await makeKey(Consistency.STALE_OK);
  const streams = await onEachRouting(async (routing) => (await openStream(secret, routing)).getReader());
  await policy().revokeKey({ keyId: id });
  const revokedMs = performance.now();
  const ends = await Promise.all(streams.map(readToEnd));
  expect(performance.now() - revokedMs).toBeLessThan(streamCutWithinMs);
  for (const end of ends) expect(end).toContain("The key was revoked");
});

test("while PostgreSQL is away, strict keys get 503 and never 401, others are served", { timeout: 120_000 }, async () => {
  const [strict, stale] = [await makeKey(Consistency.STRICT), await makeKey(Consistency.STALE_OK)];
  await onEachRouting((routing) => expect.poll(() => ask(strict.secret, routing)).toBe(200));
  await postgres.stop();
  const statuses = new Set<number>();
  await onEachRouting(async (routing) => {
    for (let status = 200; status !== 503; statuses.add(status)) status = await ask(strict.secret, routing);
    expect(await ask(stale.secret, routing)).toBe(200);
  });
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
  postgres = await startPostgresServer({ dataDirectory: directory, logger: createLogger("silent") });
  await onEachRouting((routing) => expect.poll(() => ask(strict.secret, routing), { timeout: 30_000 }).toBe(200));
});

test("a revoked key is refused by all processes of routing though one of policy's stands still, which some of them listen to", { timeout: 120_000 }, async () => {
  for (let instance = 0; instance < policies; instance++) {
    const { id, secret } = await makeKey(Consistency.STALE_OK);
    await onEachRouting((routing) => expect.poll(() => ask(secret, routing)).toBe(200));
    const { pid } = apart.process("policy", instance);
    process.kill(pid, "SIGSTOP");
    try {
      // By RPC it might be the one that stands still that is asked.
      await byHand("UPDATE policy.keys SET revoke_time = now() WHERE id = $1", id);
      await onEachRouting((routing) => expect.poll(() => ask(secret, routing), { timeout: 15_000, interval: 250 }).toBe(401));
    } finally {
      process.kill(pid, "SIGCONT");
    }
  }
});

test("a guardrail holds on all processes of routing though one of policy's stands still, which some of them listen to", { timeout: 120_000 }, async () => {
  for (let instance = 0; instance < policies; instance++) {
    const { id, secret } = await makeKey(Consistency.STALE_OK);
    const { guardrail } = await policy().createGuardrail({ rule: { organizationId, keyId: id, name: `rain-${instance}`, words: ["rain"], mode: "block" } });
    await onEachRouting((routing) => expect.poll(() => ask(secret, routing), { timeout: 20_000 }).toBe(400));
    await byHand("UPDATE policy.guardrails SET delete_time = now() WHERE id = $1", guardrail!.id);
    await onEachRouting((routing) => expect.poll(() => ask(secret, routing), { timeout: 20_000 }).toBe(200));
    const { pid } = apart.process("policy", instance);
    process.kill(pid, "SIGSTOP");
    try {
      await byHand("UPDATE policy.guardrails SET delete_time = NULL WHERE id = $1", guardrail!.id);
      await onEachRouting((routing) => expect.poll(() => ask(secret, routing), { timeout: 15_000, interval: 250 }).toBe(400));
    } finally {
      process.kill(pid, "SIGCONT");
    }
  }
});

test("cut off from policy, strict keys are refused after a second, and keys with a budget when their lease has ended, on every process", { timeout: 180_000 }, async () => {
  const [strict, stale] = [await makeKey(Consistency.STRICT, amplyNanos), await makeKey(Consistency.STALE_OK, amplyNanos)];
  for (const { secret } of [strict, stale]) await onEachRouting((routing) => expect.poll(() => ask(secret, routing)).toBe(200));
  const pids = Array.from({ length: policies }, (_, instance) => apart.process("policy", instance).pid);
  // The connections stay, and nothing comes over them: as when a network is cut.
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    const cutMs = performance.now();
    await onEachRouting(async (routing) => {
      let lastServedMs = 0;
      for (let status = 200; status !== 503; ) {
        const askedMs = performance.now();
        status = await ask(strict.secret, routing);
        expect([200, 503]).toContain(status);
        if (status === 200) lastServedMs = askedMs - cutMs;
      }
      // It may have been asked in the last moment of the second, and waited for its budget.
      expect(lastServedMs).toBeLessThan(1_000);
      expect(performance.now() - cutMs).toBeLessThan(hearsWithinMs);
      expect(await ask(stale.secret, routing)).toBe(200);
    });
    await onEachRouting((routing) => expect.poll(() => ask(stale.secret, routing), { timeout: leaseEndWithinMs, interval: 1_000 }).toBe(503));
    expect(performance.now() - cutMs).toBeLessThan(leaseEndWithinMs);
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
  for (const { secret } of [strict, stale]) await onEachRouting((routing) => expect.poll(() => ask(secret, routing), { timeout: 30_000 }).toBe(200));
});

async function byHand(statement: string, id: string): Promise<void> {
  const database = new pg.Client(postgres.administration);
  await database.connect();
  try {
    await database.query(statement, [id]);
  } finally {
    await database.end();
  }
}

function policy() {
  return weir.client(PolicyService);
}

/** A key, and with a limit also a budget that is its own. */
async function makeKey(consistency: Consistency, limitNanos?: bigint): Promise<{ readonly id: string; readonly secret: string }> {
  const name = `key ${keys++}`;
  const { key, secret } = await policy().createKey({ teamId, name, consistency });
  if (limitNanos !== undefined) await policy().createBudget({ organizationId, name, subject: { keyId: key!.id }, period: BudgetPeriod.TOTAL, limitNanos });
  return { id: key!.id, secret };
}

let keys = 0;

function onEachRouting<Result>(use: (routing: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: routings }, (_, routing) => use(routing)));
}

async function ask(key: string, routing: number): Promise<number> {
  const reply = await post(key, routing, { max_tokens: 1 });
  await reply.body?.cancel();
  return reply.status;
}

async function openStream(key: string, routing: number): Promise<ReadableStream<Uint8Array>> {
  const reply = await post(key, routing, { max_tokens: endlessChunks, stream: true });
  expect(reply.status).toBe(200);
  return reply.body!;
}

function post(key: string, routing: number, options: object): Promise<Response> {
  return fetch(`${apart.originOf(routing)}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "up/m", messages: [{ role: "user", content: "rain" }], ...options }),
  });
}

async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  let text = "";
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) text += Buffer.from(chunk.value).toString();
  return text;
}
