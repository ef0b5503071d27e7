/**
 * Owns the proof that budgets are right after any mixture of outcomes: calls that succeed, fail, hang up and are refused, while processes are
 * killed under them. A few thousand calls by `npm run test:full`, 100,000 by `npm run faults`; WEIR_SEED takes a printed seed again.
 */
import type { ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { BudgetPeriod, BudgetShortage, type Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { services, type ApartWeir } from "../harness/apart-weir.ts";
import { seededRandom } from "../harness/random.ts";
import { startScriptedProvider, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { seed } from "../harness/seed.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

const level = process.env["WEIR_TEST_LEVEL"];
const calls = level === "faults" ? 100_000 : 3_000;
const callers = 32;
const routings = 4;
const feeNanos = 20_000_000n;
const ampleRoom = 1_000_000n;
const ample = ["ample, stale", "ample, strict"];
/** A kill after as many calls, so that the mixture is the same on a slow machine. */
const callsPerKill = level === "faults" ? 2_000 : 500;
/** How long after the last call something may be held: leases live for 30 s, and 60 s are granted beyond. */
const heldWithinMs = 90_000;

const outcomes = ["succeed", "succeed", "succeed", "succeed", "stream", "stream", "fail", "refuse", "hang up", "hang up"] as const;
type Outcome = (typeof outcomes)[number];

let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let stop: () => Promise<number | null>;

beforeAll(async () => {
  upstream = await startScriptedProvider(play);
  const config = `
providers: { near: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [fee] } }
prices: { openai/fee: { input: "1", output: "10", request: "0.02" } }
breaker: { open_time: 1s }
logging: { level: error }
`;
  ({ weir, apart, stop } = await startApartWeir(config, { instances: { routing: routings } }));
  for (let instance = 1; instance < routings; instance++) await apart.start("routing", instance);
}, 120_000);
afterAll(async () => {
  await stop?.();
  await upstream?.stop();
});

test.skipIf(level === undefined)(`${calls} calls of all outcomes, processes killed under them, seed ${seed}: nothing stays held, nothing is overspent, and what was counted is what the ledger says`, { timeout: 5_400_000 }, async () => {
  console.log(`WEIR_SEED=${seed}`);
  const random = seededRandom(seed);
  const purses = await openPurses();
  const statuses = new Map<number, number>();
  const refusals = new Map<string, number>();
  let asked = 0;
  let kills = 0;

  const call = async (caller: number): Promise<void> => {
    while (asked < calls) {
      asked++;
      const purse = purses[Math.floor(random() * purses.length)]!;
      const status = await ask(purse.secret, outcomes[Math.floor(random() * outcomes.length)]!, caller % routings, random());
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 429) refusals.set(purse.budget.name, (refusals.get(purse.budget.name) ?? 0) + 1);
      // Whoever finds nobody there comes again a little later.
      if (status === 0 || status >= 500) await pause(20);
    }
  };
  const kill = async (): Promise<void> => {
    while (asked < calls) {
      const next = asked + callsPerKill;
      while (asked < next && asked < calls) await pause(20);
      const service = services[Math.floor(random() * services.length)]!;
      const instance = service === "routing" ? Math.floor(random() * routings) : 0;
      await apart.process(service, instance).stop("SIGKILL");
      await pause(random() * 500);
      await apart.start(service, instance);
      kills++;
    }
  };
  await Promise.all([kill(), ...Array.from({ length: callers }, (_, caller) => call(caller))]);

  const policy = weir.client(PolicyService);
  const usages = async () => (await policy.listBudgets({ pageSize: 100 })).budgets.map(({ name, limitNanos, usage }) => ({ name, limitNanos, held: usage!.heldNanos, posted: usage!.postedNanos }));
  const endedMs = performance.now();
  await expect.poll(async () => (await usages()).filter(({ held }) => held > 0n).map(({ name }) => name), { timeout: heldWithinMs, interval: 1_000 }).toEqual([]);
  const heldMs = performance.now() - endedMs;
  // The last that policy hears of the ledger may come a moment after that.
  const countedNanos = (await readLedger()).countedNanos;
  const spentOf = (all: readonly { readonly name: string; readonly posted: bigint }[]): bigint => all.find(({ name }) => name === "organization")!.posted;
  await expect.poll(async () => spentOf(await usages()), { timeout: heldWithinMs }).toBe(countedNanos);
  const { attempts, orphans, countedNanos: countedAfterwards } = await readLedger();
  expect(countedAfterwards).toBe(countedNanos);
  expect((await policy.checkBudgets({})).differences).toEqual([]);
  const after = await usages();
  expect(after.filter(({ posted, limitNanos }) => posted > limitNanos)).toEqual([]);
  // Each call counts in the budget of its purse, and in that of the organization.
  expect(after.reduce((sum, { posted }) => sum + posted, 0n)).toBe(2n * countedNanos);
  // Those with room for all were served: nothing that happened to others kept them from it.
  expect([...refusals].filter(([name]) => ample.includes(name))).toEqual([]);
  console.log(`${asked} calls, ${kills} kills, ${upstream.requests.length} seen by the vendor, ${attempts} lines of which ${orphans} orphaned; statuses ${JSON.stringify(Object.fromEntries(statuses))}; nothing held ${(heldMs / 1_000).toFixed(0)} s after; spent ${countedNanos / feeNanos} fees`);
});

/** What the ledger's lines come to as budgets count: what is charged, and of what is not known to have cost less, the bound. */
async function readLedger(): Promise<{ readonly attempts: number; readonly orphans: number; readonly countedNanos: bigint }> {
  const metering = weir.client(MeteringService);
  const sums = { attempts: 0, orphans: 0, countedNanos: 0n };
  for (let pageToken = ""; ; ) {
    const page = await metering.listAttempts({ pageSize: 1_000, pageToken });
    for (const { event, chargeNanos } of page.attempts) {
      const { result } = event!.outcome!;
      sums.attempts++;
      if (result === AttemptResult.ORPHANED) sums.orphans++;
      sums.countedNanos += chargeNanos ?? (result === AttemptResult.NOT_SENT ? 0n : event!.intent!.boundNanos);
    }
    pageToken = page.nextPageToken;
    if (pageToken === "") return sums;
  }
}

/** Keys whose calls count in a budget each, and all together in the organization's: some have room for all, some for a few, in each way of falling short. */
async function openPurses(): Promise<readonly { readonly secret: string; readonly budget: Budget }[]> {
  const policy = weir.client(PolicyService);
  const { teams } = await policy.listTeams({});
  const { id: teamId, organizationId } = teams[0]!;
  await policy.createBudget({ organizationId, name: "organization", subject: {}, period: BudgetPeriod.TOTAL, limitNanos: 10n * ampleRoom * feeNanos });
  const kinds = [
    { room: ampleRoom, consistency: Consistency.STALE_OK },
    { room: ampleRoom, consistency: Consistency.STRICT },
    { room: 100n, shortage: BudgetShortage.REFUSE },
    { room: 200n, shortage: BudgetShortage.CLAMP },
    { room: 200n, shortage: BudgetShortage.WAIT },
  ];
  return Promise.all(
    kinds.map(async ({ room, shortage = BudgetShortage.REFUSE, consistency = Consistency.STALE_OK }, place) => {
      const purse = room === ampleRoom ? ample[place]! : `purse ${place}`;
      const { budget } = await policy.createBudget({ organizationId, name: purse, subject: { labelName: "purse", labelValue: purse }, period: BudgetPeriod.TOTAL, limitNanos: room * feeNanos, shortage });
      const { secret } = await policy.createKey({ teamId, name: purse, labels: { purse }, consistency });
      return { secret, budget: budget! };
    }),
  );
}

/** The status of a call that is to end so; 0 where no answer came. */
async function ask(key: string, outcome: Outcome, routing: number, chance: number): Promise<number> {
  const signal = outcome === "hang up" ? AbortSignal.timeout(Math.floor(chance * 30)) : AbortSignal.timeout(30_000);
  try {
    const reply = await fetch(`${apart.originOf(routing)}/v1/chat/completions`, {
      method: "POST",
      signal,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "near/fee", max_tokens: 100, ...(chance < 0.5 && outcome === "hang up" ? { stream: true } : {}), ...(outcome === "stream" ? { stream: true } : {}), messages: [{ role: "user", content: outcome }] }),
    });
    await reply.arrayBuffer();
    return reply.status;
  } catch {
    return 0;
  }
}

/** What the vendor does, as the message says. */
function play({ body }: UpstreamRequest, response: ServerResponse): void {
  const { messages, stream } = JSON.parse(body.toString()) as { messages: readonly { content: string }[]; stream?: boolean };
  const outcome = messages[0]!.content as Outcome;
  if (outcome === "fail" || outcome === "refuse") response.writeHead(outcome === "fail" ? 500 : 400, json).end(JSON.stringify({ error: { message: "no", type: "server_error" } }));
  else setTimeout(() => (stream === true ? playStream(response) : response.writeHead(200, json).end(completion)), outcome === "hang up" ? 15 : 0);
}

function playStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(chunkOf({ choices: [{ index: 0, delta: { content: "hi" }, finish_reason: null }] }));
  setTimeout(() => response.end(`${chunkOf({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}${chunkOf({ choices: [], usage })}data: [DONE]\n\n`), 5);
}

const json = { "content-type": "application/json" };
const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };
const completion = JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "fee", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage });

function chunkOf(rest: object): string {
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "fee", ...rest })}\n\n`;
}
