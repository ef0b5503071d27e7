/** Proves that budgets hold over several routing processes, and while policy is away. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { BudgetPeriod, type Budget, type BudgetUsage } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { ApartWeir } from "../harness/apart-weir.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

const isFull = process.env["WEIR_TEST_LEVEL"] === "full";
const routings: number = isFull ? 4 : 2;
const callers = isFull ? 1_000 : 120;
const feeNanos = 20_000_000n;

let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let stop: () => Promise<number | null>;
let teamId: string;
let organizationId: string;

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, completion));
  const config = `
providers: { near: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [fee] } }
prices: { openai/fee: { input: "0", output: "0", request: "0.02" } }
logging: { level: error }
`;
  ({ weir, apart, stop } = await startApartWeir(config, { instances: { routing: routings } }));
  for (let instance = 1; instance < routings; instance++) await apart.start("routing", instance);
  const { teams } = await weir.client(PolicyService).listTeams({});
  ({ id: teamId, organizationId } = teams[0]!);
});
afterAll(async () => {
  await stop?.();
  await upstream?.stop();
});

test(`a budget for exactly 50 calls admits exactly 50 of ${callers} that come at once to ${routings} processes`, { timeout: 120_000 }, async () => {
  const { secret, budget } = await keyWithBudget(50n * feeNanos);
  const before = upstream.requests.length;
  const statuses = await Promise.all(Array.from({ length: callers }, (_, caller): Promise<number> => ask(secret, caller % routings)));
  expect(statuses.filter((status) => status === 200)).toHaveLength(50);
  expect(statuses.filter((status) => status === 429)).toHaveLength(callers - 50);
  expect(upstream.requests.length - before).toBe(50);
  await expect.poll(() => usageOf(budget)).toMatchObject({ postedNanos: 50n * feeNanos, headroomNanos: 0n });
});

test("while policy is stopped, strict keys get 503 at once and never 401, others are served from their leases; afterwards the books are right", { timeout: 120_000 }, async () => {
  const strict = await keyWithBudget(1_000n * feeNanos, Consistency.STRICT);
  const stale = await keyWithBudget(1_000n * feeNanos, Consistency.STALE_OK);
  for (const { secret } of [strict, stale]) await expect.poll(() => ask(secret)).toBe(200);
  await apart.process("policy").stop("SIGKILL");
  // What its lease does not cover waits for policy as long as routing waits for any peer; so few calls are made in the first second.
  await expect.poll(() => ask(strict.secret), { timeout: 20_000, interval: 600 }).toBe(503);
  const times: number[] = [];
  for (let call = 0; call < 20; call++) {
    const startMs = performance.now();
    expect(await ask(strict.secret)).toBe(503);
    times.push(performance.now() - startMs);
  }
  // Of twenty the quickest five: the machine may be busy with other tests.
  expect(times.toSorted((left, right) => left - right)[4]!).toBeLessThan(50);
  expect(await ask(stale.secret)).toBe(200);
  expect(await ask(stale.secret)).toBe(200);
  await apart.start("policy");
  await expect.poll(() => ask(strict.secret)).toBe(200);
  for (const { budget, secret } of [strict, stale]) {
    const served = upstream.requests.filter(({ body }) => body.includes(secret)).length;
    await expect.poll(() => usageOf(budget)).toMatchObject({ postedNanos: BigInt(served) * feeNanos });
  }
});

async function keyWithBudget(limitNanos: bigint, consistency: Consistency = Consistency.STALE_OK): Promise<{ readonly secret: string; readonly budget: Budget }> {
  const policy = weir.client(PolicyService);
  const spender = `spender ${spenders++}`;
  const { budget } = await policy.createBudget({ organizationId, name: spender, subject: { labelName: "spender", labelValue: spender }, period: BudgetPeriod.TOTAL, limitNanos });
  const { secret } = await policy.createKey({ teamId, name: spender, labels: { spender }, consistency });
  return { secret, budget: budget! };
}

let spenders = 0;

async function usageOf({ id }: Budget): Promise<BudgetUsage> {
  const { budgets } = await weir.client(PolicyService).listBudgets({ pageSize: 1_000 });
  return budgets.find((budget) => budget.id === id)!.usage!;
}

/** The status of a call that names its key, so that it is known again at the vendor. */
async function ask(key: string, routing = 0): Promise<number> {
  const reply = await fetch(`${apart.originOf(routing)}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "near/fee", max_tokens: 100, messages: [{ role: "user", content: key }] }),
  });
  await reply.body?.cancel();
  return reply.status;
}

const completion = { id: "c1", object: "chat.completion", created: 1, model: "fee", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
