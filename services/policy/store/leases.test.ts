import { describe, expect, it } from "vitest";
import { BudgetEnforcement, BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { createEmptyDatabase } from "../../../test/harness/database.ts";
import { createSpender, createTestBudget, needOf } from "../budgets.fixture.ts";
import { startPolicy } from "../policy.fixture.ts";
import { findBudget } from "./budgets.ts";
import { acquireLeases, closeLeases, postToLeases, returnLeases } from "./leases.ts";

const lifeMs = 30_000;
/** So long whoever finds all connections taken waits for one. */
const connectWithinMs = 5_000;
const everyone = { organizationId: "", teamId: "" };

async function begin() {
  const fixture = await startPolicy(await createEmptyDatabase());
  const spender = await createSpender(fixture);
  const { database } = fixture.dependencies;
  return {
    fixture,
    database,
    spender,
    acquire: (...needs: ReturnType<typeof needOf>[]) => acquireLeases(database, spender.organizationId, lifeMs, needs),
    usageOf: async (budgetId: string) => (await findBudget(database, budgetId, everyone)).usage!,
  };
}

describe("leases", () => {
  it("take from every budget that applies, or from none", async () => {
    const { fixture, spender, acquire, usageOf } = await begin();
    const wide = await createTestBudget(fixture, spender.organizationId, 100n);
    const narrow = await createTestBudget(fixture, spender.organizationId, 30n, { subject: { teamId: spender.teamId, keyId: "", memberId: "", labelName: "", labelValue: "" }, period: BudgetPeriod.DAY });

    const [first, second] = await acquire(needOf(spender, 20n), needOf(spender, 20n));
    expect(first).toMatchObject({ amountNanos: 20n, lifeMs, scope: { byTeam: true, byKey: false, labelNames: [] } });
    expect(second).toMatchObject({ amountNanos: undefined, short: { budgetId: narrow, headroomNanos: 10n, drawableLeases: 1 } });
    expect(await usageOf(wide)).toMatchObject({ heldNanos: 20n, headroomNanos: 80n });
    expect(await usageOf(narrow)).toMatchObject({ heldNanos: 20n, headroomNanos: 10n });
  });

  it("begin periods in one order, so that no two who begin the same ones wait for each other", async () => {
    const { fixture, database, spender, acquire } = await begin();
    await createTestBudget(fixture, spender.organizationId, 1_000n, { subject: { teamId: "", keyId: "", memberId: "", labelName: "end_user", labelValue: "*" } });
    const { acquired } = await database.transaction(async (transaction) => {
      await transaction.query("SELECT ensure_period(budgets, 'ada') FROM budgets");
      const acquired = acquire(...["bob", "ada"].map((user) => needOf(spender, 1n, { labels: { end_user: user } }))).catch((error: unknown) => error);
      await expect.poll(async () => (await database.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).rowCount).toBe(1);
      await transaction.query("SELECT ensure_period(budgets, 'bob') FROM budgets");
      return { acquired };
    });
    expect(await acquired).toMatchObject([{ amountNanos: 1n }, { amountNanos: 1n }]);
  });

  it("are not needed where no budget applies, and not given to keys of others", async () => {
    const { fixture, database, spender, acquire } = await begin();
    const stranger = await createSpender(fixture, "other");
    await createTestBudget(fixture, stranger.organizationId, 0n);
    expect(await acquire(needOf(spender, 5n))).toMatchObject([{ amountNanos: undefined, short: undefined, lifeMs }]);
    expect(await acquireLeases(database, spender.organizationId, lifeMs, [needOf(stranger, 5n)])).toMatchObject([{ amountNanos: undefined, lifeMs: undefined }]);
  });

  it("are large far from the limit, and single holds near it", async () => {
    const { fixture, spender, acquire } = await begin();
    await createTestBudget(fixture, spender.organizationId, 800n);
    const answers = await acquire(...Array.from({ length: 12 }, () => needOf(spender, 50n, { wantedNanos: 1_000n })));
    expect(answers.map(({ amountNanos }) => amountNanos)).toEqual([100n, 87n, 76n, 67n, 58n, 51n, 50n, 50n, 50n, 50n, 50n, 50n]);
  });

  it("are clamped to a share of what is left where the budget says so, never below what is useful", async () => {
    const { fixture, spender, acquire } = await begin();
    await createTestBudget(fixture, spender.organizationId, 100n, { shortage: BudgetShortage.CLAMP });
    const answers = await acquire(...Array.from({ length: 4 }, () => needOf(spender, 1_000n, { floorNanos: 20n })));
    expect(answers.map(({ amountNanos }) => amountNanos)).toEqual([50n, 25n, 20n, undefined]);
  });

  it("are unavailable after some seconds where somebody else holds the budget, so that others find a connection", async () => {
    const { fixture, database, spender, acquire } = await begin();
    await createTestBudget(fixture, spender.organizationId, 100n);
    await acquire(needOf(spender, 1n));
    await database.transaction(async (transaction) => {
      await transaction.query("SELECT FROM budget_periods FOR UPDATE");
      const beganMs = performance.now();
      await expect(acquire(needOf(spender, 1n))).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
      expect(performance.now() - beganMs).toBeLessThan(connectWithinMs);
    });
    expect(await acquire(needOf(spender, 1n))).toMatchObject([{ amountNanos: 1n }]);
  });

  it("let nobody pass a call that waits, but where it waits for nothing", async () => {
    const { fixture, spender, acquire } = await begin();
    await createTestBudget(fixture, spender.organizationId, 100n, { shortage: BudgetShortage.WAIT });
    await acquire(needOf(spender, 60n));
    expect((await acquire(needOf(spender, 50n, { canWait: true }), needOf(spender, 10n))).map(({ amountNanos }) => amountNanos)).toEqual([undefined, undefined]);
    expect((await acquire(needOf(spender, 101n, { canWait: true }), needOf(spender, 10n))).map(({ amountNanos }) => amountNanos)).toEqual([undefined, 10n]);
  });

  it("are not held up by a call that waits for a budget which is not theirs", async () => {
    const { fixture, spender, acquire } = await begin();
    const of = (labelValue: string) => ({ subject: { teamId: "", keyId: "", memberId: "", labelName: "end_user", labelValue } });
    await createTestBudget(fixture, spender.organizationId, 1_000n, { shortage: BudgetShortage.WAIT });
    await createTestBudget(fixture, spender.organizationId, 100n, { ...of("ann"), shortage: BudgetShortage.WAIT });
    const ask = (end_user: string, nanos: bigint) => needOf(spender, nanos, { labels: { end_user }, canWait: true });
    await acquire(ask("ann", 60n));
    expect((await acquire(ask("ann", 50n), ask("bob", 50n), ask("ann", 10n))).map(({ amountNanos }) => amountNanos)).toEqual([undefined, 50n, undefined]);
  });

  it("never end after a period of a budget does", async () => {
    const { fixture, spender, acquire, usageOf } = await begin();
    const day = await createTestBudget(fixture, spender.organizationId, 100n, { period: BudgetPeriod.DAY });
    const [answer] = await acquireLeases(fixture.dependencies.database, spender.organizationId, 2 * 86_400_000, [needOf(spender, 10n)]);
    const { startTime, endTime } = await usageOf(day);
    expect(endTime!.seconds - startTime!.seconds).toBe(86_400n);
    expect(answer!.lifeMs).toBeLessThanOrEqual(86_400_000);
    expect(await acquire(needOf(spender, 91n))).toMatchObject([{ amountNanos: undefined }]);
  });

  it("are counted by soft budgets without being bounded", async () => {
    const { fixture, spender, acquire, usageOf } = await begin();
    const soft = await createTestBudget(fixture, spender.organizationId, 10n, { enforcement: BudgetEnforcement.SOFT });
    expect(await acquire(needOf(spender, 500n))).toMatchObject([{ amountNanos: 500n }]);
    expect(await usageOf(soft)).toMatchObject({ heldNanos: 500n, headroomNanos: 0n });
  });

  it("count each value of a label by itself", async () => {
    const { fixture, spender, acquire } = await begin();
    await createTestBudget(fixture, spender.organizationId, 10n, { subject: { teamId: "", keyId: "", memberId: "", labelName: "end_user", labelValue: "*" } });
    const ask = (end_user: string) => needOf(spender, 8n, { labels: { end_user } });
    const answers = await acquire(ask("ann"), ask("bob"), ask("ann"), needOf(spender, 8n));
    expect(answers.map(({ amountNanos }) => amountNanos)).toEqual([8n, 8n, undefined, undefined]);
    expect(answers[3]).toMatchObject({ short: undefined, scope: { labelNames: ["end_user"] } });
  });

  it("count what was spent in a rolling window until it is all out of it", async () => {
    const { fixture, database, spender, acquire } = await begin();
    await createTestBudget(fixture, spender.organizationId, 100n, { period: BudgetPeriod.ROLLING, rollingWindowMs: 3_600_000 });
    await acquire(needOf(spender, 60n));
    const past = (minutes: number) => database.query("UPDATE budget_periods SET start_time = start_time - $1 * interval '1 minute', end_time = end_time - $1 * interval '1 minute'", [minutes]);
    await past(59);
    expect(await acquire(needOf(spender, 60n))).toMatchObject([{ amountNanos: undefined }]);
    await past(2);
    expect(await acquire(needOf(spender, 60n))).toMatchObject([{ amountNanos: 60n }]);
  });

  it("move from held to spent by what is posted, and are free when closed", async () => {
    const { fixture, database, spender, acquire, usageOf } = await begin();
    const budget = await createTestBudget(fixture, spender.organizationId, 100n);
    const need = needOf(spender, 40n);
    await acquire(need);
    const post = (deltaNanos: bigint) => postToLeases(database, [{ leaseId: need.leaseId, organizationId: spender.organizationId, deltaNanos }]);

    await post(10n);
    expect(await usageOf(budget)).toMatchObject({ postedNanos: 10n, heldNanos: 30n });
    await returnLeases(database, need.holderId, [{ leaseId: need.leaseId, unspentNanos: 25n }]);
    await returnLeases(database, need.holderId, [{ leaseId: need.leaseId, unspentNanos: 20n }]);
    await returnLeases(database, "somebody else", [{ leaseId: need.leaseId, unspentNanos: 40n }]);
    expect(await usageOf(budget)).toMatchObject({ postedNanos: 10n, heldNanos: 5n });
    expect(await closeLeases(database, new Date(Date.now() + 86_400_000), 10)).toBe(1);
    expect(await usageOf(budget)).toMatchObject({ postedNanos: 10n, heldNanos: 0n });
    await post(-4n);
    expect(await usageOf(budget)).toMatchObject({ postedNanos: 6n, heldNanos: 0n });
    expect(await postToLeases(database, [{ leaseId: need.leaseId, organizationId: "org_other", deltaNanos: 1n }])).toBe(0);
  });
});
