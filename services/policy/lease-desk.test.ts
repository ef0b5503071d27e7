import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { AcquireLeaseRequestSchema, ReturnLeasesRequestSchema, WatchRecallsRequestSchema, type AcquireLeaseResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { createSpender, createTestBudget, type Spender } from "./budgets.fixture.ts";
import { callContext, startPolicy, type PolicyFixture } from "./policy.fixture.ts";
import { findBudget } from "./store/budgets.ts";

const everyone = { organizationId: "", teamId: "" };

function acquire({ policy }: PolicyFixture, { organizationId, keyId }: Spender, leastNanos: bigint, more: { readonly holderId?: string; readonly maxWaitMs?: number; readonly wantedNanos?: bigint; readonly signal?: AbortSignal } = {}): Promise<AcquireLeaseResponse> {
  const { holderId = "holder", maxWaitMs = 0, wantedNanos = leastNanos, signal } = more;
  return policy.acquireLease(create(AcquireLeaseRequestSchema, { holderId, organizationId, keyId, leastNanos, wantedNanos, maxWait: durationFromMs(maxWaitMs) }), callContext(signal));
}

async function giveBack({ policy }: PolicyFixture, leaseId: string, unspentNanos: bigint, holderId = "holder"): Promise<void> {
  await policy.returnLeases(create(ReturnLeasesRequestSchema, { holderId, leases: [{ leaseId, unspentNanos }] }), callContext());
}

describe("the line for leases", () => {
  it("gives 64 callers of two policy processes exactly what there is", async () => {
    const connection = await createEmptyDatabase();
    const fixtures = [await startPolicy(connection), await startPolicy(connection)];
    const spender = await createSpender(fixtures[0]!);
    const budget = await createTestBudget(fixtures[0]!, spender.organizationId, 500n);
    const narrow = await createTestBudget(fixtures[0]!, spender.organizationId, 600n);
    let admitted = 0;
    const caller = async (fixture: PolicyFixture): Promise<void> => {
      for (;;) {
        const lease = await acquire(fixture, spender, 1n).catch((error: unknown) => error);
        if (lease instanceof Error) return expect(lease).toMatchObject({ reason: "BUDGET_EXCEEDED" });
        admitted++;
        // What is drawn in full is not waited for by those who are refused.
        await giveBack(fixture, (lease as AcquireLeaseResponse).leaseId, 0n);
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_, index) => caller(fixtures[index % 2]!)));
    expect(admitted).toBe(500);
    const { database } = fixtures[0]!.dependencies;
    expect((await findBudget(database, budget, everyone)).usage).toMatchObject({ heldNanos: 500n, headroomNanos: 0n });
    expect((await findBudget(database, narrow, everyone)).usage).toMatchObject({ heldNanos: 500n, headroomNanos: 100n });
  });

  it("says which budget has too little left, and when its period ends", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const spender = await createSpender(fixture);
    await createTestBudget(fixture, spender.organizationId, 1_500_000_000n, { name: "everything" });
    await expect(acquire(fixture, spender, 2_000_000_000n)).rejects.toMatchObject({
      reason: "BUDGET_EXCEEDED",
      message: 'The budget "everything" has $1.50 of $1.50 left, and this call could cost $2.00. Ask for less output, have the budget topped up.',
      metadata: { budget: "everything", period: "total", headroom_nanos: "1500000000" },
      quotaViolations: [{ subject: 'budget="everything"', quotaMetric: "cost_nanos", quotaValue: 1_500_000_000n }],
      retryAfterMs: undefined,
    });
  });

  it("keeps calls waiting in their order where the budget says so", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const spender = await createSpender(fixture);
    await createTestBudget(fixture, spender.organizationId, 100n, { shortage: BudgetShortage.WAIT });
    const first = await acquire(fixture, spender, 100n);
    const order: string[] = [];
    const large = acquire(fixture, spender, 80n, { maxWaitMs: 60_000 }).then(({ leaseId }) => (order.push("large"), leaseId));
    const small = acquire(fixture, spender, 30n, { maxWaitMs: 60_000 }).then(() => order.push("small"));
    await giveBack(fixture, first.leaseId, 40n);
    await giveBack(fixture, first.leaseId, 100n);
    await giveBack(fixture, await large, 80n);
    await small;
    expect(order).toEqual(["large", "small"]);
    await expect(acquire(fixture, spender, 80n, { maxWaitMs: 20 })).rejects.toMatchObject({ reason: "BUDGET_EXCEEDED" });
  });

  it("calls back what another holder has not drawn before it refuses anybody", async () => {
    const connection = await createEmptyDatabase();
    const [here, there] = [await startPolicy(connection), await startPolicy(connection)];
    const spender = await createSpender(here);
    await createTestBudget(here, spender.organizationId, 100n);
    const idle = await acquire(there, spender, 90n, { holderId: "idle" });
    const recalls = there.policy.watchRecalls(create(WatchRecallsRequestSchema, { holderId: "idle" }), callContext())[Symbol.asyncIterator]();
    const recalled = recalls.next().then(async ({ value }) => {
      expect(value).toMatchObject({ leaseIds: [idle.leaseId] });
      await giveBack(there, idle.leaseId, 90n, "idle");
    });
    // Asked again and again until the watcher is there: what is called back before is not told to it.
    for (let isGiven = false; !isGiven; ) isGiven = await acquire(here, spender, 50n).then(() => true, () => false);
    await recalled;
  });

  it("gives nothing to a caller that went away", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const spender = await createSpender(fixture);
    await createTestBudget(fixture, spender.organizationId, 100n, { shortage: BudgetShortage.WAIT });
    const first = await acquire(fixture, spender, 100n);
    const leaving = new AbortController();
    const left = acquire(fixture, spender, 100n, { maxWaitMs: 60_000, signal: leaving.signal });
    leaving.abort();
    await expect(left).rejects.toMatchObject({ reason: "CANCELLED" });
    await giveBack(fixture, first.leaseId, 100n);
    expect(await acquire(fixture, spender, 100n, { maxWaitMs: 60_000 })).toMatchObject({ amountNanos: 100n });
  });
});
