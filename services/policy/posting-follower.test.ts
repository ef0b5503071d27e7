import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, it, onTestFinished, vi } from "vitest";
import { LeasePostingSchema, TakeLeasePostingsResponseSchema, type LeasePosting } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import { ListBudgetUsageRequestSchema } from "#gen/weir/policy/v1/budget_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { createSpender, createTestBudget, needOf } from "./budgets.fixture.ts";
import type { PolicyPeers } from "./peers.ts";
import { callContext, openPolicyFixture, type PolicyFixture } from "./policy.fixture.ts";
import { findBudget } from "./store/budgets.ts";
import { acquireLeases } from "./store/leases.ts";

/** A ledger that forgets what is confirmed, and now and then fails or answers twice, as one behind a network does. */
class Ledger {
  readonly #waiting = new Map<bigint, LeasePosting>();
  #lastId = 0n;
  asked = 0;
  completeBeforeMs = 0;

  post(leaseId: string, organizationId: string, deltaNanos: bigint): void {
    const postingId = ++this.#lastId;
    this.#waiting.set(postingId, create(LeasePostingSchema, { postingId, leaseId, organizationId, attemptId: `att_${postingId}`, deltaNanos }));
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  readonly metering: PolicyPeers["metering"] = {
    sumLeases: () => Promise.reject(new Error("nobody asks")),
    takeLeasePostings: async ({ confirmedPostingIds }, { signal }) => {
      for (const id of confirmedPostingIds) this.#waiting.delete(id);
      // The answer is lost, what was confirmed is forgotten all the same.
      if (++this.asked % 3 === 0) throw new Error("the connection broke");
      await new Promise((resolve) => setTimeout(resolve, 5, signal));
      const postings = [...this.#waiting.values()].slice(0, 7);
      return create(TakeLeasePostingsResponseSchema, { postings, ...(postings.length < 7 && { completeBeforeTime: timestampFromMs(this.completeBeforeMs) }) });
    },
  };
}

it("brings each posting onto the books once, whichever policy process takes it, and closes leases when all is told", { timeout: 60_000 }, async () => {
  const connection = await createEmptyDatabase();
  const ledger = new Ledger();
  const fixtures: PolicyFixture[] = [];
  for (let process = 0; process < 3; process++) {
    const fixture = await openPolicyFixture(connection, systemClock, undefined, ledger);
    onTestFinished(fixture.stop);
    fixtures.push(fixture);
  }
  const [fixture] = fixtures as [PolicyFixture];
  const { database } = fixture.dependencies;
  const spender = await createSpender(fixture);
  const budget = await createTestBudget(fixture, spender.organizationId, 1_000n, { alertPercents: [50, 60, 61] });
  const need = needOf(spender, 1_000n);
  await acquireLeases(database, spender.organizationId, 30_000, [need]);

  for (let posting = 0; posting < 60; posting++) ledger.post(need.leaseId, spender.organizationId, 10n);
  await vi.waitFor(() => expect(ledger.isEmpty).toBe(true), { timeout: 40_000 });
  const usage = async () => (await findBudget(database, budget, { organizationId: "", teamId: "" })).usage;
  expect(await usage()).toMatchObject({ postedNanos: 600n, heldNanos: 400n });
  const { usage: periods } = await fixture.policy.listBudgetUsage(create(ListBudgetUsageRequestSchema, { budgetId: budget }), callContext());
  expect(periods).toMatchObject([{ reachedPercents: [50, 60] }]);

  ledger.completeBeforeMs = Date.now() + 30_000;
  const { asked } = ledger;
  await vi.waitFor(() => expect(ledger.asked).toBeGreaterThan(asked + 6), { timeout: 20_000 });
  expect(await usage()).toMatchObject({ postedNanos: 600n, heldNanos: 400n });
  ledger.completeBeforeMs = Date.now() + 60_000;
  await vi.waitFor(async () => expect(await usage()).toMatchObject({ postedNanos: 600n, heldNanos: 0n }), { timeout: 20_000 });
});
