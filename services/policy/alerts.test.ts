/** Owns the proof that each alert is delivered, signed, by whichever process, and that what is not taken does not vanish. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { create } from "@bufbuild/protobuf";
import OpenAI from "openai";
import { expect, it, onTestFinished } from "vitest";
import { LeasePostingSchema, TakeLeasePostingsResponseSchema } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import { AlertDeliveryState, ListBudgetAlertsRequestSchema, RetryBudgetAlertsRequestSchema, TestBudgetAlertsRequestSchema } from "#gen/weir/policy/v1/budget_alert_pb.ts";
import { BudgetPeriod, DeleteBudgetRequestSchema, TransferBudgetRequestSchema, UpdateBudgetRequestSchema } from "#gen/weir/policy/v1/budget_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { BudgetAlerts } from "./budget-alerts.ts";
import { createSpender, createTestBudget, needOf } from "./budgets.fixture.ts";
import type { PolicyConfig } from "./config.ts";
import { followConfiguredBudgets } from "./configured-budgets.ts";
import type { PolicyPeers } from "./peers.ts";
import { callContext, openPolicyFixture, policyConfig, type PolicyFixture } from "./policy.fixture.ts";
import { claimDeliveries } from "./store/alert-deliveries.ts";
import { noteCrossingsOfLeases } from "./store/budget-crossings.ts";
import { acquireLeases, postToLeases } from "./store/leases.ts";

const secret = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;
const newerSecret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const { WAITING, DELIVERED, GIVEN_UP } = AlertDeliveryState;

it("delivers an alert once, signed with each secret, though several processes share the work", async () => {
  const hook = await startHook();
  const { fixtures, reach } = await startPolicies(3, policyConfig({ alerts: { webhooks: [{ name: "ops", url: hook.url, secrets: [secret, newerSecret], privateAddress: true }] } }));
  const { organizationId, budgetId } = await reach();
  await expect.poll(() => alertsOf(fixtures[0]!)).toMatchObject([{ percent: 50, deliveries: [{ destination: "ops", state: DELIVERED, attempts: 1, problem: "" }] }]);
  const [{ headers, body }] = hook.received as [Received];
  const { id, ...alert } = (JSON.parse(body) as { data: { id: string } }).data;
  expect(hook.received).toHaveLength(1);
  expect(headers["webhook-id"]).toBe(id);
  expect(alert).toMatchObject({ organizationId, organization: "acme", budgetId, percent: 50, limitNanos: "1000", postedNanos: "600" });
  for (const each of [secret, newerSecret]) {
    expect(await isAcceptedByOpenai(headers, body, each)).toBe(true);
    expect((await documentedCheck())(headers, body, each)).toBe(true);
  }
  for (const isAccepted of [isAcceptedByOpenai, await documentedCheck()]) {
    expect(await isAccepted(headers, body.replace("acme", "evil"), secret)).toBe(false);
    expect(await isAccepted(headers, body, `whsec_${Buffer.alloc(24, 8).toString("base64")}`)).toBe(false);
    expect(await isAccepted({ ...headers, "webhook-timestamp": "1600000000" }, body, secret)).toBe(false);
  }
});

it("delivers again what failed, under the same id, and holds up no other destination", async () => {
  const [broken, sound] = [await startHook(500), await startHook()];
  const { fixtures: [fixture], reach } = await startPolicies(1, policyConfig({
    alerts: { webhooks: [hookNamed("broken", broken), hookNamed("sound", sound)] },
  }));
  await reach();
  await expect.poll(() => alertsOf(fixture!)).toMatchObject([{ deliveries: [{ destination: "broken", state: WAITING, attempts: 1, problem: "it answered with status 500" }, { destination: "sound", state: DELIVERED }] }]);
  broken.status = 204;
  await fixture!.dependencies.database.query("UPDATE alert_deliveries SET next_time = now()");
  await ringOf(fixture!);
  await expect.poll(() => alertsOf(fixture!)).toMatchObject([{ deliveries: [{ state: DELIVERED, attempts: 2, problem: "" }, {}] }]);
  const ids = [...broken.received, ...sound.received].map(({ headers }) => headers["webhook-id"]);
  expect(new Set(ids).size).toBe(1);
  expect(broken.received.map(({ body }) => body)).toEqual([sound.received[0]!.body, sound.received[0]!.body]);
  expect(sound.received).toHaveLength(1);
});

it.each([
  { case: "asked for", asked: "7200", waitSeconds: 7_200 },
  { case: "bounded by a day", asked: "9999999", waitSeconds: 86_400 },
  { case: "shorter than the schedule's", asked: "1", waitSeconds: 5 },
])("waits as long as the destination asks: $case", async ({ asked, waitSeconds }) => {
  const busy = await startHook(429);
  busy.headers = { "retry-after": asked };
  const { fixtures: [fixture], reach } = await startPolicies(1, policyConfig({ alerts: { webhooks: [hookNamed("busy", busy)] } }));
  await reach();
  const waits = async () => (await fixture!.dependencies.database.query<{ seconds: number }>("SELECT extract(epoch FROM next_time - now())::int AS seconds FROM alert_deliveries WHERE problem <> ''")).rows.map(({ seconds }) => waitSeconds - seconds);
  await expect.poll(async () => (await waits()).length).toBe(1);
  expect((await waits())[0]).toBeLessThan(5);
  expect((await waits())[0]).toBeGreaterThanOrEqual(0);
});

it("gives up what is refused for good or was tried to the end, shows it and counts it, and delivers it when that is asked for", async () => {
  const [gone, broken] = [await startHook(410), await startHook(500)];
  const { fixtures: [fixture], reach } = await startPolicies(1, policyConfig({ alerts: { webhooks: [hookNamed("gone", gone), hookNamed("broken", broken)] } }));
  await reach();
  await expect.poll(() => alertsOf(fixture!)).toMatchObject([{ deliveries: [{ state: WAITING, attempts: 1 }, { state: GIVEN_UP, attempts: 1, problem: "it answered with status 410" }] }]);
  await fixture!.dependencies.database.query("UPDATE alert_deliveries SET next_time = now(), attempts = 9 WHERE destination = 'broken'");
  await ringOf(fixture!);
  await expect.poll(() => alertsOf(fixture!)).toMatchObject([{ deliveries: [{ state: GIVEN_UP, attempts: 10 }, {}] }]);
  expect(await fixture!.dependencies.metrics.metrics()).toContain('weir_alert_deliveries_total{destination="gone",outcome="given_up"} 1');

  gone.status = 200;
  expect(await fixture!.policy.retryBudgetAlerts(create(RetryBudgetAlertsRequestSchema, { destination: "gone" }), callContext())).toMatchObject({ count: 1n });
  await expect.poll(() => alertsOf(fixture!)).toMatchObject([{ deliveries: [{ state: GIVEN_UP }, { state: DELIVERED, attempts: 1 }] }]);
});

it("takes the status for the answer, whatever comes behind it", async () => {
  const [taker, gone] = [await startHook(200), await startHook(410)];
  for (const hook of [taker, gone]) hook.answersEndlessly = true;
  const { fixtures: [fixture], reach } = await startPolicies(1, policyConfig({ alerts: { webhooks: [hookNamed("gone", gone), hookNamed("taker", taker)] } }));
  await reach();
  await expect.poll(() => alertsOf(fixture!), { timeout: 5_000 }).toMatchObject([{ deliveries: [{ state: GIVEN_UP, problem: "it answered with status 410" }, { state: DELIVERED, attempts: 1, problem: "" }] }]);
  expect(taker.received).toHaveLength(1);
});

it("alerts of what a lower limit, another percent or a transfer brings within reach, though nothing is spent any more", async () => {
  const hook = await startHook();
  const { fixtures: [fixture], reach } = await startPolicies(1, policyConfig({ alerts: { webhooks: [hookNamed("ops", hook)] } }));
  const { policy, dependencies: { database, clock, logger } } = fixture!;
  const { organizationId, budgetId } = await reach();
  await expect.poll(() => alertsOf(fixture!)).toHaveLength(1);
  const update = (paths: string[], terms: { limitNanos?: bigint; alertPercents?: number[] }) => policy.updateBudget(create(UpdateBudgetRequestSchema, { budgetId, updateMask: { paths }, ...terms }), callContext());
  await update(["alert_percents"], { alertPercents: [50, 60, 75, 100, 120] });
  await update(["limit_nanos"], { limitNanos: 800n });
  await update(["limit_nanos"], { limitNanos: 900n });
  await update(["limit_nanos"], { limitNanos: 800n });
  await expect.poll(async () => (await alertsOf(fixture!)).map(({ percent, deliveries }) => [percent, deliveries[0]?.state])).toEqual([[75, DELIVERED], [60, DELIVERED], [50, DELIVERED]]);

  await database.query("UPDATE leases SET held_nanos = 0; UPDATE budget_periods SET held_nanos = 0");
  const toBudgetId = await createTestBudget(fixture!, organizationId, 1n);
  await policy.transferBudget(create(TransferBudgetRequestSchema, { fromBudgetId: budgetId, toBudgetId, amountNanos: 200n }), callContext());
  await expect.poll(async () => (await alertsOf(fixture!)).map(({ percent }) => percent)).toEqual([100, 75, 60, 50]);

  // As weir.yaml changes it.
  await database.query("UPDATE budgets SET is_configured = true, name = 'total' WHERE budget_id = $1", [budgetId]);
  const config = new MutableLiveValue(policyConfig({ budgets: [{ name: "total", organization: "acme", limit: "0.0000007", per: "total", alertPercents: [120] }] }));
  const alerts = new BudgetAlerts({ destinations: { all: [] }, courier: { ring: () => undefined }, logger });
  const configured = followConfiguredBudgets({ database, config, clock, logger, alerts, onChanged: () => Promise.resolve() });
  onTestFinished(() => configured.stop());
  await expect.poll(async () => (await alertsOf(fixture!)).map(({ percent }) => percent)).toEqual([120, 100, 75, 60, 50]);
});

it("alerts of a rolling budget's whole window, though what is posted last was held in an older part of it", async () => {
  const { fixtures: [fixture] } = await startPolicies(1, policyConfig());
  const { database } = fixture!.dependencies;
  const spender = await createSpender(fixture!);
  await createTestBudget(fixture!, spender.organizationId, 1_000n, { period: BudgetPeriod.ROLLING, rollingWindowMs: 86_400_000, alertPercents: [80] });
  const [older, newer] = [needOf(spender, 400n), needOf(spender, 400n)];
  await acquireLeases(database, spender.organizationId, 30_000, [older]);
  await database.query("UPDATE budget_periods SET start_time = start_time - interval '24 minutes', end_time = end_time - interval '24 minutes'");
  await acquireLeases(database, spender.organizationId, 30_000, [newer]);
  const post = async ({ leaseId }: { leaseId: string }) => {
    await postToLeases(database, [{ leaseId, organizationId: spender.organizationId, deltaNanos: 400n }]);
    return (await noteCrossingsOfLeases(database, [leaseId])).map(({ percent, postedNanos }) => [percent, postedNanos]);
  };
  expect(await post(newer)).toEqual([]);
  expect(await post(older)).toEqual([[80, "800"]]);
  expect(await noteCrossingsOfLeases(database, [older.leaseId, newer.leaseId])).toEqual([]);
});

it("alerts of no budget that has ended, though calls under way are posted to it", async () => {
  const { fixtures: [fixture] } = await startPolicies(1, policyConfig());
  const { database } = fixture!.dependencies;
  const spender = await createSpender(fixture!);
  const [ended] = [await createTestBudget(fixture!, spender.organizationId, 1_000n, { alertPercents: [80] }), await createTestBudget(fixture!, spender.organizationId, 1_000n, { alertPercents: [90] })];
  const need = needOf(spender, 1_000n);
  await acquireLeases(database, spender.organizationId, 30_000, [need]);
  await fixture!.policy.deleteBudget(create(DeleteBudgetRequestSchema, { budgetId: ended }), callContext());
  await postToLeases(database, [{ leaseId: need.leaseId, organizationId: spender.organizationId, deltaNanos: 1_000n }]);
  expect((await noteCrossingsOfLeases(database, [need.leaseId])).map(({ percent }) => percent)).toEqual([90]);
});

it("delivers what a process had taken that died, and abandons what is for a destination that is configured no more", async () => {
  const hook = await startHook();
  const config = new MutableLiveValue(policyConfig({ alerts: { webhooks: [{ ...hookNamed("ops", hook), organizations: ["nobody"] }] } }));
  const { fixtures: [fixture], reach } = await startPolicies(1, config);
  const { database } = fixture!.dependencies;
  await reach();
  await expect.poll(() => alertsOf(fixture!)).toMatchObject([{ deliveries: [] }]);
  await database.query("INSERT INTO alert_deliveries (crossing_id, destination) SELECT crossing_id, name FROM budget_crossings, unnest(ARRAY ['later', 'never']) AS name");
  expect(await claimDeliveries(database, "later", 10, 0)).toMatchObject([{ attempts: 1 }]);
  await database.query("UPDATE alert_deliveries SET next_time = now() - interval '25 hours' WHERE destination = 'never'");
  config.set(policyConfig({ alerts: { webhooks: [hookNamed("later", hook)] } }));
  await ringOf(fixture!);
  await expect.poll(() => alertsOf(fixture!)).toMatchObject([{ deliveries: [{ destination: "later", state: DELIVERED, attempts: 2 }, { destination: "never", state: GIVEN_UP }] }]);
  expect(hook.received).toHaveLength(1);
});

it("counts no attempt that was cut because its process stopped", async () => {
  const hook = await startHook();
  hook.isSilent = true;
  const config = policyConfig({ alerts: { webhooks: [hookNamed("ops", hook)] } });
  const { connection, fixtures: [fixture], reach } = await startPolicies(1, config);
  await reach();
  await expect.poll(() => hook.received).toHaveLength(1);
  await fixture!.stop();
  hook.isSilent = false;
  const next = await openPolicyFixture(connection, systemClock, new MutableLiveValue(config));
  onTestFinished(next.stop);
  await expect.poll(() => alertsOf(next)).toMatchObject([{ deliveries: [{ state: DELIVERED, attempts: 1, problem: "" }] }]);
  expect(hook.received.map(({ headers }) => headers["webhook-id"])).toEqual(Array.from({ length: 2 }, () => hook.received[0]!.headers["webhook-id"]));
});

it("gives what is due to one process alone, however many ask at once", async () => {
  const { fixtures: [fixture], reach } = await startPolicies(1, policyConfig());
  const { database } = fixture!.dependencies;
  await reach();
  await expect.poll(() => alertsOf(fixture!)).toHaveLength(1);
  await database.query(`INSERT INTO budget_crossings (period_id, percent, limit_nanos, posted_nanos) SELECT period_id, percents, 1, 1 FROM budget_crossings, generate_series(101, 199) AS percents`);
  await database.query("INSERT INTO alert_deliveries (crossing_id, destination) SELECT crossing_id, 'ops' FROM budget_crossings");
  const claimed: string[] = [];
  const claimAll = async (): Promise<void> => {
    for (let due = await claimDeliveries(database, "ops", 3, 60_000); due.length > 0; due = await claimDeliveries(database, "ops", 3, 60_000)) claimed.push(...due.map(({ alert }) => alert.id));
  };
  await Promise.all(Array.from({ length: 6 }, claimAll));
  expect(claimed).toHaveLength(100);
  expect(new Set(claimed).size).toBe(100);
});

it("dials no private address that is not allowed, follows no redirect, and says so when it is tried", async () => {
  const [hidden, elsewhere] = [await startHook(), await startHook(302)];
  const { fixtures: [fixture] } = await startPolicies(1, policyConfig({
    alerts: { webhooks: [{ ...hookNamed("private", hidden), url: hidden.url.replace("127.0.0.1", "localhost"), privateAddress: false }, hookNamed("redirect", elsewhere), hookNamed("sound", hidden)] },
  }));
  const problemOf = async (destination: string) => (await fixture!.policy.testBudgetAlerts(create(TestBudgetAlertsRequestSchema, { destination }), callContext())).problem;
  expect(await problemOf("private")).toBe("it cannot be reached; the log of policy says why");
  expect(await problemOf("redirect")).toBe("it answered with status 302");
  expect(await problemOf("unknown")).toContain("no destination of this name");
  expect(hidden.received).toEqual([]);
  expect(await problemOf("sound")).toBe("");
  expect(JSON.parse(hidden.received[0]!.body)).toMatchObject({ type: "budget.test", data: { id: hidden.received[0]!.headers["webhook-id"] } });
});

it("takes no configuration with two webhooks of a name, or an address that must not be dialled", () => {
  const webhook = { name: "ops", url: "https://hooks.example.com/", secrets: [secret] };
  expect(() => policyConfig({ alerts: { webhooks: [webhook, webhook] } })).toThrow(/two are called "ops"/);
  expect(() => policyConfig({ alerts: { webhooks: [{ ...webhook, url: "https://[hooks/" }] } })).toThrow(/no address/);
  const atHome = { ...webhook, url: "http://10.0.0.1/hook?token=hidden" };
  expect(() => policyConfig({ alerts: { webhooks: [atHome] } })).toThrow('alerts.webhooks[0].url: http://10.0.0.1 cannot be used');
  expect(policyConfig({ alerts: { webhooks: [{ ...atHome, privateAddress: true }] } }).alerts.webhooks).toHaveLength(1);
  expect(() => policyConfig({ alerts: { webhooks: [{ ...webhook, url: "http://169.254.169.254/", privateAddress: true }] } })).toThrow(/never dialled/);
});

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Hook {
  readonly url: string;
  status: number;
  headers: Readonly<Record<string, string>>;
  isSilent: boolean;
  answersEndlessly: boolean;
  readonly received: Received[];
}

async function startHook(status = 200): Promise<Hook> {
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      hook.received.push({ headers: request.headers, body });
      if (hook.isSilent) return;
      response.writeHead(hook.status, { location: "http://127.0.0.1:1/", ...hook.headers });
      if (hook.answersEndlessly) response.write("and so on ");
      else response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  const hook: Hook = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/weir?token=1`, status, headers: {}, isSilent: false, answersEndlessly: false, received: [] };
  return hook;
}

function hookNamed(name: string, { url }: Hook) {
  return { name, url, secrets: [secret], privateAddress: true };
}

/** Processes of policy on one database, and a ledger that posts 60 % of a budget when it is told to. */
async function startPolicies(count: number, config: PolicyConfig | MutableLiveValue<PolicyConfig>) {
  const connection = await createEmptyDatabase();
  const due: { leaseId: string; organizationId: string }[] = [];
  const metering: PolicyPeers["metering"] = {
    sumLeases: () => Promise.reject(new Error("nobody asks")),
    takeLeasePostings: async ({ confirmedPostingIds }, { signal }) => {
      if (confirmedPostingIds.length > 0) due.splice(0);
      await new Promise((resolve) => setTimeout(resolve, 5, signal));
      return create(TakeLeasePostingsResponseSchema, { postings: due.map((lease) => create(LeasePostingSchema, { ...lease, postingId: 1n, attemptId: "att_1", deltaNanos: 600n })) });
    },
  };
  const fixtures: PolicyFixture[] = [];
  for (let process = 0; process < count; process++) {
    const fixture = await openPolicyFixture(connection, systemClock, config instanceof MutableLiveValue ? config : new MutableLiveValue(config), { metering });
    onTestFinished(fixture.stop);
    fixtures.push(fixture);
  }
  const reach = async () => {
    const [fixture] = fixtures as [PolicyFixture];
    const spender = await createSpender(fixture);
    const budgetId = await createTestBudget(fixture, spender.organizationId, 1_000n, { alertPercents: [50] });
    const need = needOf(spender, 1_000n);
    await acquireLeases(fixture.dependencies.database, spender.organizationId, 30_000, [need]);
    due.push({ leaseId: need.leaseId, organizationId: spender.organizationId });
    return { organizationId: spender.organizationId, budgetId };
  };
  return { connection, fixtures, reach };
}

async function alertsOf({ policy }: PolicyFixture) {
  const { alerts } = await policy.listBudgetAlerts(create(ListBudgetAlertsRequestSchema), callContext());
  return alerts.map(({ alert, deliveries }) => ({ percent: alert!.percent, deliveries }));
}

/** Lets the process look for what is due now. */
async function ringOf({ policy }: PolicyFixture): Promise<void> {
  await policy.retryBudgetAlerts(create(RetryBudgetAlertsRequestSchema, { destination: "none" }), callContext());
}

async function isAcceptedByOpenai(headers: IncomingHttpHeaders, body: string, by: string): Promise<boolean> {
  const client = new OpenAI({ apiKey: "none" });
  return client.webhooks.verifySignature(body, headers as Record<string, string>, by).then(() => true, () => false);
}

type Check = (headers: IncomingHttpHeaders, body: string, secret: string) => boolean;

/** The function that docs/budgets.md shows. */
async function documentedCheck(): Promise<Check> {
  const page = readFileSync(new URL("../../docs/budgets.md", import.meta.url), "utf8");
  const [, code] = /^```js\n([\s\S]*?)^```$/m.exec(page)!;
  const module = (await import(`data:text/javascript,${encodeURIComponent(code!)}`)) as { isFromWeir: Check };
  return module.isFromWeir;
}
