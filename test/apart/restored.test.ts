/** Proves that an installation goes on from a backup of its database: what came after it is gone, nothing else is, and its books agree. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { prepareApartWeir, services, type ApartWeir } from "../harness/apart-weir.ts";
import { copyDatabase, createEmptyDatabase, urlOf } from "../harness/database.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import { runWeir } from "../harness/run-weir.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { clientOf, type WeirClient } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let dataDirectory: string;
let apart: ApartWeir;
let weir: WeirClient;

beforeAll(async () => {
  upstream = await startPacingProvider();
  dataDirectory = await mkdtemp(join(tmpdir(), "weir-restored-"));
});
afterAll(async () => {
  await apart?.stop("SIGTERM");
  await upstream?.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});

async function startOn(databaseUrl: string): Promise<void> {
  const config = `
providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }
prices: { openai/m: { input: "1", output: "10" } }
logging: { level: error }
`;
  apart = await prepareApartWeir({ config, configPath: join(dataDirectory, "weir.yaml"), dataDirectory, environment: {}, databaseUrl });
  await Promise.all(services.map((service) => apart.start(service)));
  weir = await clientOf(dataDirectory);
}

const createKey = async (name: string): Promise<string> => {
  const policy = weir.client(PolicyService);
  const [team] = (await policy.listTeams({})).teams;
  const { key, secret } = await policy.createKey({ teamId: team!.id, name });
  await policy.createBudget({ organizationId: team!.organizationId, name, subject: { keyId: key!.id }, limitNanos: 10_000_000_000n, period: BudgetPeriod.MONTH });
  return secret;
};

interface Answer {
  readonly status: number;
  readonly requestId: string;
}

/** A stream of so many chunks, read to its end; status 0 where it is cut. */
async function ask(key: string, chunks: number): Promise<Answer> {
  try {
    const response = await fetch(`${weir.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "up/m", max_tokens: chunks, stream: true, messages: [{ role: "user", content: "Hello" }] }),
    });
    await response.text();
    return { status: response.status, requestId: response.headers.get("x-request-id") ?? "" };
  } catch {
    return { status: 0, requestId: "" };
  }
}

const linesOf = async ({ requestId }: Answer): Promise<number> => (await weir.attempts(0, { requestId })).length;
const check = (words: readonly string[]) => runWeir(words, { environment: { WEIR_DATA: dataDirectory } });

test("the database is put back while calls are under way: the ledger, budgets and the audit log go on from there", async () => {
  const database = await createEmptyDatabase();
  await startOn(urlOf(database));
  const early = await createKey("early");
  const before = await Promise.all(Array.from({ length: 20 }, () => ask(early, 1)));
  expect(new Set(before.map(({ status }) => status))).toEqual(new Set([200]));
  await weir.attempts(20);
  await apart.stop("SIGTERM");
  const backup = await copyDatabase(database.database!);

  await startOn(urlOf(database));
  const late = await createKey("late");
  const between = await Promise.all([ask(early, 1), ask(late, 1)]);
  await weir.attempts(22);
  const cut = [early, late].flatMap((key) => Array.from({ length: 10 }, () => ask(key, 600)));
  await expect.poll(() => upstream.requests.length).toBe(42);
  await apart.stop("SIGKILL");
  expect(new Set((await Promise.all(cut)).map(({ status }) => status))).toEqual(new Set([0]));

  await startOn(urlOf(backup));
  expect((await ask(late, 1)).status).toBe(401);
  const after = await ask(early, 1);
  expect(after.status).toBe(200);
  // What a journal still held was never in the backup, and is in the ledger now: the calls that were cut.
  await weir.attempts(41);
  expect(await Promise.all([...before, after, ...between].map(linesOf))).toEqual([...before, after].map(() => 1).concat(between.map(() => 0)));
  expect(await check(["ledger", "check"])).toMatchObject({ code: 0, stdout: "41 attempts checked, no difference.\n" });
  await expect.poll(() => check(["budgets", "check"]), { timeout: 30_000, interval: 500 }).toMatchObject({ code: 0 });
  expect(await check(["audit", "verify"])).toMatchObject({ code: 0 });
});
