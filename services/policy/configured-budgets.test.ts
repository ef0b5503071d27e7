/** Proves that the budgets of the configuration file are in force as the file says, once, whoever reads it, and are changed nowhere else. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import type { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { DeleteBudgetRequestSchema, ListBudgetsRequestSchema, UpdateBudgetRequestSchema, type Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { createSpender, createTestBudget, needOf } from "./budgets.fixture.ts";
import { callContext, policyConfig, startPolicy, type PolicyFixture } from "./policy.fixture.ts";
import { acquireLeases } from "./store/leases.ts";

type File = NonNullable<MessageInitShape<typeof ConfigSchema>["budgets"]>;

const daily = { name: "daily", organization: "acme", team: "research", limit: "2.5", per: "day", alertPercents: [80] };
const total = { name: "total", organization: "acme", limit: "0.000001", per: "total" };

it("has what the file says, counts on through changes, and ends what leaves the file", async () => {
  const { fixture, tell, shows } = await startWith([total, daily]);
  const spender = await createSpender(fixture);
  await shows(["daily 2500000000", "total 1000"]);
  await acquireLeases(fixture.dependencies.database, spender.organizationId, 30_000, [needOf(spender, 400n)]);
  const before = await budgetNamed(fixture, "total");
  expect(before).toMatchObject({ isConfigured: true, usage: { heldNanos: 400n } });

  tell([{ ...total, limit: "0.000002" }]);
  await shows(["total 2000"]);
  tell([]);
  await shows([]);
  tell([total]);
  await shows(["total 1000"]);
  expect(await budgetNamed(fixture, "total")).toMatchObject({ id: before!.id, usage: { heldNanos: 400n } });
  // What counts otherwise begins anew.
  tell([{ ...total, per: "week" }]);
  await expect.poll(() => budgetNamed(fixture, "total")).toMatchObject({ usage: { heldNanos: 0n } });
  expect((await budgetNamed(fixture, "total"))!.id).not.toBe(before!.id);
});

it("is the same for several processes, and nothing is written by one whose file says the same", async () => {
  const connection = await createEmptyDatabase();
  const limitedTo = (limit: string): File[number] => ({ ...total, limit });
  async function startWithTotal(limit: string) {
    const file = new MutableLiveValue(policyConfig({ budgets: [limitedTo(limit)] }));
    return { fixture: await startPolicy(connection, undefined, file), file };
  }

  const first = await startWithTotal("0.000001");
  await createSpender(first.fixture);
  await expect.poll(() => shown(first.fixture)).toEqual(["total 1000"]);
  const { id } = (await budgetNamed(first.fixture, "total"))!;
  // Each starts with a limit of its own, so that it is seen to have read its file.
  const second = await startWithTotal("0.000002");
  await expect.poll(() => shown(first.fixture)).toEqual(["total 2000"]);
  const third = await startWithTotal("0.000003");
  await expect.poll(() => shown(first.fixture)).toEqual(["total 3000"]);

  // This one has the file of before, and something else in it changes.
  second.file.set(policyConfig({ budgets: [limitedTo("0.000002")], rateLimits: [{ name: "other", count: "requests", amount: 1n, window: "minute" }] }));
  for (const { file } of [first, third]) file.set(policyConfig({ budgets: [limitedTo("0.000003"), daily] }));
  await expect.poll(() => shown(first.fixture)).toEqual(["daily 2500000000", "total 3000"]);
  for (const { fixture } of [second, third]) await fixture.stop();
  expect(await shown(first.fixture)).toEqual(["daily 2500000000", "total 3000"]);
  expect((await budgetNamed(first.fixture, "total"))!.id).toBe(id);
});

it("is not changed by RPC, and leaves budgets alone that were made so", async () => {
  const { fixture, tell, shows } = await startWith([total]);
  const { organizationId } = await createSpender(fixture);
  await shows(["total 1000"]);
  const { id: budgetId } = (await budgetNamed(fixture, "total"))!;
  await expect(fixture.policy.updateBudget(create(UpdateBudgetRequestSchema, { budgetId, updateMask: { paths: ["limit_nanos"] }, limitNanos: 1n }), callContext())).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  await expect(fixture.policy.deleteBudget(create(DeleteBudgetRequestSchema, { budgetId }), callContext())).rejects.toMatchObject({ reason: "INVALID_REQUEST" });

  await createTestBudget(fixture, organizationId, 7n, { name: "daily" });
  tell([daily, { ...total, limit: "0.000004" }]);
  await shows(["daily 7", "total 4000"]);
  tell([]);
  await shows(["daily 7"]);
});

it("refuses a name twice in an organization", () => {
  expect(() => policyConfig({ budgets: [total, total] })).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  expect(() => policyConfig({ budgets: [total, { ...total, organization: "other" }] })).not.toThrow();
});

async function startWith(budgets: File) {
  const file = new MutableLiveValue(policyConfig({ budgets }));
  const fixture = await startPolicy(await createEmptyDatabase(), undefined, file);
  return {
    fixture,
    tell: (changed: File) => file.set(policyConfig({ budgets: changed })),
    shows: (expected: readonly string[]) => expect.poll(() => shown(fixture)).toEqual(expected),
  };
}

async function listed({ policy }: PolicyFixture): Promise<Budget[]> {
  return (await policy.listBudgets(create(ListBudgetsRequestSchema), callContext())).budgets as Budget[];
}

async function shown(fixture: PolicyFixture): Promise<string[]> {
  return (await listed(fixture)).map(({ name, limitNanos }) => `${name} ${limitNanos}`);
}

async function budgetNamed(fixture: PolicyFixture, name: string): Promise<Budget | undefined> {
  return (await listed(fixture)).find((budget) => budget.name === name);
}
