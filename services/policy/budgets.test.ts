import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  BudgetEnforcement,
  BudgetPeriod,
  BudgetShortage,
  CheckBudgetsRequestSchema,
  CreateBudgetRequestSchema,
  DeleteBudgetRequestSchema,
  ListBudgetsRequestSchema,
  ListBudgetUsageRequestSchema,
  TopUpBudgetRequestSchema,
  TransferBudgetRequestSchema,
  UpdateBudgetRequestSchema,
  type Budget,
} from "#gen/weir/policy/v1/budget_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { createSpender, createTestBudget, needOf } from "./budgets.fixture.ts";
import { callContext, startPolicy, type PolicyFixture } from "./policy.fixture.ts";
import { acquireLeases, postToLeases, type LeaseNeed } from "./store/leases.ts";

type CreateInit = Omit<NonNullable<Parameters<typeof create<typeof CreateBudgetRequestSchema>>[1]>, "$typeName">;

async function createBudget({ policy }: PolicyFixture, organizationId: string, init: CreateInit = {}): Promise<Budget> {
  const request = create(CreateBudgetRequestSchema, { organizationId, name: "all", limitNanos: 100n, period: BudgetPeriod.MONTH, ...init });
  return (await policy.createBudget(request, callContext())).budget!;
}

async function listed({ policy }: PolicyFixture, organizationId: string): Promise<Budget[]> {
  return (await policy.listBudgets(create(ListBudgetsRequestSchema, { organizationId }), callContext())).budgets;
}

describe("budgets", () => {
  it("are created once for a request id, listed by name with their use, and end", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { policy } = fixture;
    const spender = await createSpender(fixture);
    const { organizationId } = spender;
    const budget = await createBudget(fixture, organizationId, { name: "of the team", subject: { teamId: spender.teamId }, alertPercents: [50, 100], requestId: "once" });
    expect(budget).toMatchObject({ organizationId, timeZone: "UTC", enforcement: BudgetEnforcement.HARD, shortage: BudgetShortage.REFUSE, alertPercents: [50, 100] });
    expect(await createBudget(fixture, organizationId, { name: "of the team", subject: { teamId: spender.teamId }, alertPercents: [50, 100], requestId: "once" })).toMatchObject({ id: budget.id });
    await expect(createBudget(fixture, organizationId, { name: "of the team" })).rejects.toMatchObject({ reason: "ALREADY_EXISTS" });
    await createBudget(fixture, organizationId, { name: "of all", period: BudgetPeriod.ROLLING, rollingWindow: durationFromMs(3_600_000) });

    await acquireLeases(fixture.dependencies.database, organizationId, 30_000, [needOf(spender, 30n)]);
    expect(await listed(fixture, organizationId)).toMatchObject([
      { name: "of all", usage: { heldNanos: 30n, headroomNanos: 70n } },
      { name: "of the team", usage: { limitNanos: 100n, postedNanos: 0n, heldNanos: 30n, headroomNanos: 70n } },
    ]);
    const { usage } = await policy.listBudgetUsage(create(ListBudgetUsageRequestSchema, { budgetId: budget.id }), callContext());
    expect(usage).toMatchObject([{ labelValue: "", heldNanos: 30n }]);

    for (let times = 0; times < 2; times++) await policy.deleteBudget(create(DeleteBudgetRequestSchema, { budgetId: budget.id }), callContext());
    expect(await listed(fixture, organizationId)).toMatchObject([{ name: "of all" }]);
    await createBudget(fixture, organizationId, { name: "of the team" });
    expect(await policy.checkBudgets(create(CheckBudgetsRequestSchema), callContext())).toMatchObject({ checkedPeriods: 2n, differences: [], checkedLeases: 1n, leaseDifferences: [] });
  });

  it("that have of a lease what the ledger does not have are named", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const spender = await createSpender(fixture);
    const { organizationId } = spender;
    await createTestBudget(fixture, organizationId, 100n);
    const { database } = fixture.dependencies;
    const needs = [needOf(spender, 30n), needOf(spender, 20n)];
    await acquireLeases(database, organizationId, 30_000, needs);
    const [{ leaseId }] = needs as [LeaseNeed];
    await postToLeases(database, [{ leaseId, organizationId, deltaNanos: 7n }]);
    expect(await fixture.policy.checkBudgets(create(CheckBudgetsRequestSchema), callContext())).toMatchObject({
      differences: [],
      checkedLeases: 2n,
      leaseDifferences: [{ leaseId, organizationId, postedNanos: 7n, ledgerNanos: 0n }],
    });
  });

  it.each<[string, CreateInit]>([
    ["a rolling period without a window", { period: BudgetPeriod.ROLLING }],
    ["a window without a rolling period", { rollingWindow: durationFromMs(3_600_000) }],
    ["a time zone that there is not", { timeZone: "Europe/Weir" }],
    ["a time zone whose sign databases read otherwise", { timeZone: "+02:00" }],
    ["a time zone by letters that databases take for an offset without a summer", { timeZone: "CET" }],
    ["a time zone by letters that databases take for another's", { timeZone: "IST" }],
    ["a time zone by letters that databases do not know", { timeZone: "AET" }],
    ["a label without a value", { subject: { labelName: "end_user" } }],
  ])("are refused with %s", async (_case, init) => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { organizationId } = await createSpender(fixture);
    await expect(createBudget(fixture, organizationId, init)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  });

  it("are for teams, keys and members of their own organization, and seen by nobody else", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const ours = await createSpender(fixture);
    const theirs = await createSpender(fixture, "other");
    await expect(createBudget(fixture, ours.organizationId, { subject: { keyId: theirs.keyId } })).rejects.toMatchObject({ reason: "NOT_FOUND" });
    const { id: budgetId } = await createBudget(fixture, ours.organizationId);
    const stranger = { ...callContext(), identity: { kind: "caller", grant: create(GrantSchema, { organizationId: theirs.organizationId, reach: Reach.ORGANIZATION }) } } as const;
    const { policy } = fixture;
    for (const attempt of [
      () => policy.deleteBudget(create(DeleteBudgetRequestSchema, { budgetId }), stranger),
      () => policy.topUpBudget(create(TopUpBudgetRequestSchema, { budgetId, amountNanos: 1n }), stranger),
      () => policy.listBudgetUsage(create(ListBudgetUsageRequestSchema, { budgetId }), stranger),
      () => policy.updateBudget(create(UpdateBudgetRequestSchema, { budgetId, updateMask: { paths: ["name"] }, name: "mine" }), stranger),
      () => policy.transferBudget(create(TransferBudgetRequestSchema, { fromBudgetId: budgetId, toBudgetId: budgetId, amountNanos: 1n }), stranger),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ reason: "NOT_FOUND" });
    }
  });

  it("bound by their new limit at once, by top-ups and transfers for the period, each booked once", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { policy } = fixture;
    const spender = await createSpender(fixture);
    const { id: budgetId } = await createBudget(fixture, spender.organizationId);
    const acquire = async (nanos: bigint) => (await acquireLeases(fixture.dependencies.database, spender.organizationId, 30_000, [needOf(spender, nanos)]))[0]!.amountNanos;
    expect(await acquire(101n)).toBeUndefined();
    await policy.updateBudget(create(UpdateBudgetRequestSchema, { budgetId, updateMask: { paths: ["limit_nanos"] }, limitNanos: 120n }), callContext());
    expect(await acquire(101n)).toBe(101n);

    for (let times = 0; times < 2; times++) {
      const { usage } = await policy.topUpBudget(create(TopUpBudgetRequestSchema, { budgetId, amountNanos: 30n, requestId: "once" }), callContext());
      expect(usage).toMatchObject({ limitNanos: 150n, headroomNanos: 49n });
    }
    const each = await createTestBudget(fixture, spender.organizationId, 0n, { subject: { teamId: "", keyId: "", memberId: "", labelName: "end_user", labelValue: "*" } });
    const transfer = (amountNanos: bigint, toLabelValue: string) => policy.transferBudget(create(TransferBudgetRequestSchema, { fromBudgetId: budgetId, toBudgetId: each, toLabelValue, amountNanos }), callContext());
    expect(await transfer(40n, "ann")).toMatchObject({ from: { headroomNanos: 9n, limitNanos: 110n }, to: { headroomNanos: 40n, labelValue: "ann" } });
    await expect(transfer(10n, "ann")).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
    await expect(transfer(1n, "")).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
    const { rows } = await fixture.dependencies.database.query("SELECT sum(amount_nanos)::int8 AS entered, (SELECT sum(extra_nanos)::int8 FROM budget_periods) AS counted FROM budget_entries");
    expect(rows).toEqual([{ entered: 30n, counted: 30n }]);
    const topUp = (amountNanos: bigint) => policy.topUpBudget(create(TopUpBudgetRequestSchema, { budgetId, amountNanos }), callContext());
    await expect(topUp(10n ** 17n)).resolves.toBeDefined();
    await expect(topUp(10n ** 17n)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  });

  it("that roll have as much left in each of their slices as the window up to it leaves", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const spender = await createSpender(fixture);
    const { database } = fixture.dependencies;
    const { id: budgetId } = await createBudget(fixture, spender.organizationId, { period: BudgetPeriod.ROLLING, rollingWindow: durationFromMs(86_400_000) });
    await acquireLeases(database, spender.organizationId, 30_000, [needOf(spender, 30n)]);
    await fixture.policy.topUpBudget(create(TopUpBudgetRequestSchema, { budgetId, amountNanos: 5n }), callContext());
    await database.query("UPDATE budget_periods SET start_time = start_time - interval '24 minutes', end_time = end_time - interval '24 minutes'");
    await acquireLeases(database, spender.organizationId, 30_000, [needOf(spender, 50n)]);
    const { usage } = await fixture.policy.listBudgetUsage(create(ListBudgetUsageRequestSchema, { budgetId }), callContext());
    expect(usage).toMatchObject([{ limitNanos: 105n, heldNanos: 50n, headroomNanos: 25n }, { limitNanos: 105n, heldNanos: 30n, headroomNanos: 75n }]);
  });

  it("transfer nothing to a budget that has ended, nor from it", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { policy } = fixture;
    const { organizationId } = await createSpender(fixture);
    const [{ id: living }, { id: ended }] = [await createBudget(fixture, organizationId, { name: "living" }), await createBudget(fixture, organizationId, { name: "ended" })];
    await policy.deleteBudget(create(DeleteBudgetRequestSchema, { budgetId: ended }), callContext());
    const transfer = (fromBudgetId: string, toBudgetId: string) => policy.transferBudget(create(TransferBudgetRequestSchema, { fromBudgetId, toBudgetId, amountNanos: 40n }), callContext());
    await expect(transfer(living, ended)).rejects.toMatchObject({ reason: "NOT_FOUND" });
    await expect(transfer(ended, living)).rejects.toMatchObject({ reason: "NOT_FOUND" });
    expect(await listed(fixture, organizationId)).toMatchObject([{ usage: { limitNanos: 100n, headroomNanos: 100n } }]);
  });

  it("of each value do not become one because a caller's value is *, or somebody tops that up", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const spender = await createSpender(fixture);
    const { organizationId } = spender;
    const budgetId = await createTestBudget(fixture, organizationId, 100n, { subject: { teamId: "", keyId: "", memberId: "", labelName: "end_user", labelValue: "*" } });
    const { database } = fixture.dependencies;
    const acquire = async (endUser: string, nanos: bigint) => (await acquireLeases(database, organizationId, 30_000, [needOf(spender, nanos, { labels: { end_user: endUser } })]))[0]!.amountNanos;
    const topUp = (labelValue: string) => fixture.policy.topUpBudget(create(TopUpBudgetRequestSchema, { budgetId, labelValue, amountNanos: 50n }), callContext());
    await expect(topUp("*")).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
    expect(await acquire("*", 80n)).toBe(80n);
    expect(await acquire("ann", 80n)).toBe(80n);
    expect(await acquire("ben", 80n)).toBe(80n);

    await database.query("INSERT INTO budget_periods (budget_id, label_value, start_time, end_time) SELECT $1, 'user ' || n, '-infinity', 'infinity' FROM generate_series(4, 10000) AS n", [budgetId]);
    expect(await acquire("cid", 20n)).toBe(20n);
    expect(await acquire("dan", 20n)).toBeUndefined();
    expect(await acquire("ann", 20n)).toBe(20n);
    expect((await topUp("*")).usage).toMatchObject({ labelValue: "*", limitNanos: 150n, headroomNanos: 50n });
    expect(await acquire("dan", 50n)).toBe(50n);
  });

  it("count every moment in the period that it is in, also where clocks show midnight twice or not at all", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { organizationId } = await createSpender(fixture);
    const { database } = fixture.dependencies;
    const daysOf = async (timeZone: string, fromTime: string, untilTime: string) => {
      const budgetId = await createTestBudget(fixture, organizationId, 100n, { period: BudgetPeriod.DAY, timeZone });
      const { rows } = await database.query<{ start_time: Date; end_time: Date; is_within: boolean }>(
        `SELECT DISTINCT period.start_time, period.end_time, bool_and(period.start_time <= moment AND moment < period.end_time) AS is_within
         FROM budgets, generate_series($2::timestamptz, $3, '30 minutes') AS moment, period_of(budgets, moment) AS period WHERE budget_id = $1 GROUP BY 1, 2 ORDER BY 1`,
        [budgetId, fromTime, untilTime],
      );
      expect(rows.every(({ is_within }) => is_within)).toBe(true);
      return rows.map(({ start_time, end_time }) => [start_time, end_time].map((time) => time.toISOString().slice(0, 16)));
    };
    const twice = [["2026-10-31T04:00", "2026-11-01T04:00"], ["2026-11-01T04:00", "2026-11-02T05:00"]];
    expect(await daysOf("America/Havana", "2026-10-31T04:00Z", "2026-11-02T04:30Z")).toEqual(twice);
    expect(await daysOf("Atlantic/Azores", "2026-10-24T00:00Z", "2026-10-26T00:30Z")).toEqual([["2026-10-24T00:00", "2026-10-25T00:00"], ["2026-10-25T00:00", "2026-10-26T01:00"]]);
    // From midnight back to eleven: the day has ended when it is midnight for good.
    expect(await daysOf("America/Sao_Paulo", "2018-02-17T02:00Z", "2018-02-19T02:30Z")).toEqual([["2018-02-17T02:00", "2018-02-18T03:00"], ["2018-02-18T03:00", "2018-02-19T03:00"]]);
    // No midnight: the day begins at one.
    expect(await daysOf("America/Sao_Paulo", "2018-11-03T03:00Z", "2018-11-05T01:30Z")).toEqual([["2018-11-03T03:00", "2018-11-04T03:00"], ["2018-11-04T03:00", "2018-11-05T02:00"]]);
    expect(await daysOf("Australia/Lord_Howe", "2026-04-03T13:00Z", "2026-04-05T13:00Z")).toEqual([["2026-04-03T13:00", "2026-04-04T13:00"], ["2026-04-04T13:00", "2026-04-05T13:30"]]);
  });
});
