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
import { GrantSchema, Reach } from "#gen/weir/policy/v1/policy_service_pb.ts";
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
});
