import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { createEmptyDatabase } from "../../../test/harness/database.ts";
import { createSpender, createTestBudget, needOf, type Spender } from "../budgets.fixture.ts";
import { openPolicyFixture, type PolicyFixture } from "../policy.fixture.ts";
import { differencesOf } from "./budget-check.ts";
import { acquireLeases, closeLeases, postToLeases, returnLeases } from "./leases.ts";

/** A lease as its holder sees it: what is not drawn, and the attempts under way with what each holds. */
interface HeldLease {
  readonly id: string;
  readonly amount: bigint;
  undrawn: bigint;
  drawn: bigint[];
  unneeded: bigint;
  isReturned: boolean;
  /** What the model says was posted. */
  posted: bigint;
}

type Step =
  | { readonly kind: "acquire"; readonly needs: readonly (readonly [least: number, wanted: number, floor: number, label: string, wait: boolean])[] }
  | { readonly kind: "draw" | "end" | "return" | "correct"; readonly which: number; readonly part: number }
  | { readonly kind: "expire" };

const amount = fc.integer({ min: 0, max: 400 });
const which = fc.nat({ max: 1_000 });
const part = fc.integer({ min: 0, max: 100 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("acquire" as const), needs: fc.array(fc.tuple(amount, amount, amount, fc.constantFrom("ann", "bob", ""), fc.boolean()), { minLength: 1, maxLength: 5 }) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("draw" as const, "end" as const, "return" as const, "correct" as const), which, part }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("expire" as const) }) },
);

const isLong = process.env["WEIR_TEST_LEVEL"] === "faults";
let fixture: PolicyFixture;
beforeAll(async () => {
  fixture = await openPolicyFixture(await createEmptyDatabase());
});
afterAll(() => fixture.stop());

let organizations = 0;

describe("leases, drawn, posted, returned and closed in any order", () => {
  it("never take hard budgets above their limit, and leave nothing held when all is settled", { timeout: isLong ? 1_800_000 : 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const spender = await createSpender(fixture, `organization ${++organizations}`);
        const limits = await budgetsOf(spender);
        const held: HeldLease[] = [];
        for (const each of steps) {
          await take(each, spender, held);
          await checkRooms(spender, limits);
        }
        await settleAll(spender, held);
        for (const { posted_nanos, held_nanos } of await roomsOf(spender)) {
          expect(held_nanos).toBe(0n);
          expect(posted_nanos).toBeGreaterThanOrEqual(0n);
        }
        const { database } = fixture.dependencies;
        expect((await differencesOf(database)).differences).toEqual([]);
        // The check looks at all that there is: a long run would wait for it more and more.
        await database.query("DELETE FROM leases");
        await database.query("DELETE FROM budget_periods");
      }),
      { numRuns: isLong ? 2_000 : 25 },
    );
  });
});

async function budgetsOf({ organizationId, teamId }: Spender): Promise<ReadonlyMap<string, bigint>> {
  const anybody = { teamId: "", keyId: "", memberId: "", labelName: "", labelValue: "" };
  return new Map([
    [await createTestBudget(fixture, organizationId, 1_000n), 1_000n],
    [await createTestBudget(fixture, organizationId, 700n, { subject: { ...anybody, teamId }, period: BudgetPeriod.MONTH, shortage: BudgetShortage.CLAMP, timeZone: "Asia/Kolkata" }), 700n],
    [await createTestBudget(fixture, organizationId, 500n, { subject: { ...anybody, labelName: "end_user", labelValue: "*" }, period: BudgetPeriod.ROLLING, rollingWindowMs: 3_600_000, shortage: BudgetShortage.WAIT }), 500n],
  ]);
}

async function take(step: Step, spender: Spender, held: HeldLease[]): Promise<void> {
  const { database } = fixture.dependencies;
  if (step.kind === "acquire") {
    const needs = step.needs.map(([least, wanted, floor, end_user, canWait]) =>
      needOf(spender, BigInt(least), { wantedNanos: BigInt(wanted), floorNanos: BigInt(Math.min(floor, least)), canWait, labels: end_user === "" ? {} : { end_user } }),
    );
    const answers = await acquireLeases(database, spender.organizationId, 30_000, needs);
    answers.forEach(({ amountNanos, short }, index) => {
      const { leaseId, leastNanos, floorNanos } = needs[index]!;
      if (amountNanos === undefined) return expect(short).toBeDefined();
      expect(amountNanos).toBeGreaterThanOrEqual(short === undefined ? leastNanos : floorNanos);
      held.push({ id: leaseId, amount: amountNanos, undrawn: amountNanos, drawn: [], unneeded: 0n, isReturned: false, posted: 0n });
    });
  } else if (step.kind === "expire") {
    // Whatever is drawn has ended by then, and is posted.
    for (const lease of held) for (const bound of lease.drawn.splice(0)) await post(spender, lease, bound, bound);
    await closeLeases(database, new Date(Date.now() + 86_400_000), 1_000);
    held.length = 0;
  } else if (held.length > 0) {
    await change(step, held[step.which % held.length]!, spender);
  }
}

async function change({ kind, part }: Extract<Step, { which: number }>, lease: HeldLease, spender: Spender): Promise<void> {
  const share = (whole: bigint): bigint => (whole * BigInt(part)) / 100n;
  if (kind === "draw" && !lease.isReturned) {
    lease.drawn.push(share(lease.undrawn));
    lease.undrawn -= share(lease.undrawn);
  } else if (kind === "end" && lease.drawn.length > 0) {
    const bound = lease.drawn.shift()!;
    await post(spender, lease, share(bound), bound);
  } else if (kind === "return") {
    lease.isReturned = true;
    await returnLeases(fixture.dependencies.database, "holder", [{ leaseId: lease.id, unspentNanos: lease.undrawn + lease.unneeded }]);
  } else if (kind === "correct") {
    // A better figure, below the one before.
    const less = share(lease.posted);
    lease.posted -= less;
    await postToLeases(fixture.dependencies.database, [{ leaseId: lease.id, organizationId: spender.organizationId, deltaNanos: -less }]);
  }
}

async function post({ organizationId }: Spender, lease: HeldLease, cost: bigint, bound: bigint): Promise<void> {
  lease.posted += cost;
  // What an attempt did not need can be drawn again, until the lease is returned.
  if (lease.isReturned) lease.unneeded += bound - cost;
  else lease.undrawn += bound - cost;
  await postToLeases(fixture.dependencies.database, [{ leaseId: lease.id, organizationId, deltaNanos: cost }]);
}

async function settleAll(spender: Spender, held: HeldLease[]): Promise<void> {
  await take({ kind: "expire" }, spender, held);
}

interface Room {
  readonly budget_id: string;
  readonly posted_nanos: bigint;
  readonly held_nanos: bigint;
}

async function roomsOf({ organizationId }: Spender): Promise<Room[]> {
  const { rows } = await fixture.dependencies.database.query<Room & { [column: string]: unknown }>("SELECT budget_id, posted_nanos, held_nanos FROM budget_rooms WHERE organization_id = $1", [organizationId]);
  return rows;
}

async function checkRooms(spender: Spender, limits: ReadonlyMap<string, bigint>): Promise<void> {
  for (const { budget_id, posted_nanos, held_nanos } of await roomsOf(spender)) {
    expect(posted_nanos + held_nanos).toBeLessThanOrEqual(limits.get(budget_id)!);
    expect(held_nanos).toBeGreaterThanOrEqual(0n);
  }
}
