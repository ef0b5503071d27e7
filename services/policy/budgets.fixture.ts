/** Owns what the tests of budgets share: an organization with a key, and budgets on it. */
import { newId } from "#platform/ids.ts";
import { BudgetEnforcement, BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { createTestKey, createTestTeam, type PolicyFixture } from "./policy.fixture.ts";
import { insertBudget, type NewBudget } from "./store/budgets.ts";
import type { LeaseNeed } from "./store/leases.ts";

export interface Spender {
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
}

export async function createSpender(fixture: PolicyFixture, organizationName = "acme"): Promise<Spender> {
  const { id: teamId, organizationId } = await createTestTeam(fixture, organizationName);
  const { key } = await createTestKey(fixture, teamId);
  return { organizationId, teamId, keyId: key!.id };
}

export async function createTestBudget({ dependencies: { database, clock } }: PolicyFixture, organizationId: string, limitNanos: bigint, terms: Partial<NewBudget> = {}): Promise<string> {
  const id = newId("bud", clock);
  await insertBudget(database, {
    id,
    organizationId,
    name: id,
    subject: { teamId: "", keyId: "", memberId: "", labelName: "", labelValue: "" },
    limitNanos,
    period: BudgetPeriod.TOTAL,
    rollingWindowMs: 0,
    timeZone: "UTC",
    enforcement: BudgetEnforcement.HARD,
    shortage: BudgetShortage.REFUSE,
    alertPercents: [],
    ...terms,
  });
  return id;
}

let leases = 0;

export function needOf({ keyId }: Spender, leastNanos: bigint, more: Partial<LeaseNeed> = {}): LeaseNeed {
  return { leaseId: `lea_${++leases}`, holderId: "holder", keyId, labels: {}, leastNanos, floorNanos: 0n, wantedNanos: leastNanos, canWait: false, ...more };
}
