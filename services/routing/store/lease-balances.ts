/** Owns which calls share leases, those that no budget tells apart, and for each such group its leases and the calls that wait for one. */
import type { LeaseScope } from "#gen/weir/policy/v1/lease_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { Hold, HoldContext, Need } from "../domain/budget/hold.ts";
import type { Lease } from "./lease.ts";

/** A call that waits. */
export interface Waiting {
  readonly need: Need;
  readonly context: HoldContext;
  resolve(hold: Hold): void;
  reject(error: unknown): void;
}

/** What calls share that budgets do not tell apart. */
export interface Balance {
  readonly leases: Set<Lease>;
  /** First come, first served. */
  readonly waiting: Waiting[];
  isAcquiring: boolean;
  /** What was drawn since a lease was last asked for: the next one is to last longer. */
  drawnNanos: bigint;
  /** Until when no budget applies, on the monotonic clock. */
  exemptUntilMs: number;
  /** After a refusal: from when on one is asked for ahead of need again. */
  renewFromMs: number;
}

/** The most balances; beyond it the leases of the one that was used longest ago are given up. */
const mostBalances = 10_000;

export class LeaseBalances {
  readonly #giveUp: (leaseId: string) => void;
  /** By organization: what calls must have in common to share a lease, as policy said last. */
  readonly #scopes = new Map<string, LeaseScope>();
  /** By what calls have in common; those used last stand at the end. */
  readonly #balances = new Map<string, Balance>();

  constructor(giveUp: (leaseId: string) => void) {
    this.#giveUp = giveUp;
  }

  setScope(organizationId: string, scope: LeaseScope): void {
    this.#scopes.set(organizationId, scope);
  }

  /** That of these calls, made where there is none. */
  of(grant: Grant, labels: Readonly<Record<string, string>>): Balance {
    const key = keyOf(grant, labels, this.#scopes.get(grant.organizationId));
    const found = this.#balances.get(key);
    const balance = found ?? { leases: new Set(), waiting: [], isAcquiring: false, drawnNanos: 0n, exemptUntilMs: 0, renewFromMs: 0 };
    if (found !== undefined) this.#balances.delete(key);
    this.#balances.set(key, balance);
    if (this.#balances.size > mostBalances) this.#forgetOldest();
    return balance;
  }

  /** That of these calls, where there is one; it does not count as used. */
  find(grant: Grant, labels: Readonly<Record<string, string>>): Balance | undefined {
    return this.#balances.get(keyOf(grant, labels, this.#scopes.get(grant.organizationId)));
  }

  forgetUnused(nowMs: number): void {
    for (const [key, { leases, waiting, isAcquiring, exemptUntilMs }] of this.#balances) {
      if (leases.size === 0 && waiting.length === 0 && !isAcquiring && exemptUntilMs <= nowMs) this.#balances.delete(key);
    }
  }

  #forgetOldest(): void {
    for (const [key, { leases, waiting, isAcquiring }] of this.#balances) {
      if (waiting.length > 0 || isAcquiring) continue;
      for (const { id } of leases) this.#giveUp(id);
      this.#balances.delete(key);
      return;
    }
  }
}

function keyOf({ organizationId, teamId, keyId }: Grant, labels: Readonly<Record<string, string>>, scope: LeaseScope | undefined): string {
  // Until policy has said what tells calls apart, all that can: else the first that is refused would speak for the others.
  if (scope === undefined) return JSON.stringify([organizationId, teamId, keyId, ...Object.keys(labels).sort().map((name) => [name, labels[name]])]);
  return JSON.stringify([organizationId, scope.byTeam ? teamId : null, scope.byKey ? keyId : null, ...scope.labelNames.map((name) => labels[name] ?? null)]);
}
