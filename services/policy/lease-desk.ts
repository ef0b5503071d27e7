/**
 * Owns the line in which calls wait for leases: those of one organization that come while a statement runs are the next statement,
 * and those that a budget is short for stay, in their order, until there is room or their patience ends.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { budgetExceeded, patienceMs } from "./domain/shortage.ts";
import { acquireLeases, returnLeases, type LeaseAnswer, type LeaseNeed } from "./store/leases.ts";

export interface LeaseCall {
  readonly organizationId: string;
  readonly holderId: string;
  readonly keyId: string;
  readonly labels: JsonObject;
  readonly leastNanos: bigint;
  readonly floorNanos: bigint;
  readonly wantedNanos: bigint;
  readonly maxWaitMs: number;
  readonly signal: AbortSignal;
}

export type GrantedLease = LeaseAnswer & { readonly leaseId: string };

export interface LeaseDeskDependencies {
  readonly database: Database;
  readonly clock: Clock;
  /** Calls back what holders have not drawn of a period. */
  readonly recall: (organizationId: string, periodId: bigint) => Promise<void>;
}

/** How long a lease lives, where no period ends before. */
export const leaseLifeMs = 30_000;
/** The most calls of an organization that wait. */
const longestLine = 1_000;
/** How often is looked for room that another policy process made. */
const lookEveryMs = 100;

interface Waiting {
  readonly call: LeaseCall;
  readonly need: LeaseNeed;
  readonly sinceMs: number;
  readonly resolve: (lease: GrantedLease) => void;
  readonly reject: (error: unknown) => void;
}

export class LeaseDesk {
  readonly #dependencies: LeaseDeskDependencies;
  readonly #lines = new Map<string, Line>();

  constructor(dependencies: LeaseDeskDependencies) {
    this.#dependencies = dependencies;
  }

  /** Throws BUDGET_EXCEEDED, KEY_INVALID, OVERLOADED, CANCELLED, DEPENDENCY_UNAVAILABLE. */
  acquire(call: LeaseCall): Promise<GrantedLease> {
    const { organizationId } = call;
    let line = this.#lines.get(organizationId);
    if (line === undefined) {
      line = new Line(organizationId, this.#dependencies, () => this.#lines.delete(organizationId));
      this.#lines.set(organizationId, line);
    }
    return line.join(call);
  }

  /** There may be more room now. */
  lookAgain(): void {
    for (const line of this.#lines.values()) line.lookAgain();
  }
}

class Line {
  readonly #organizationId: string;
  readonly #dependencies: LeaseDeskDependencies;
  readonly #onEmpty: () => void;
  #waiting: Waiting[] = [];
  #isAsking = false;
  #mustAskAgain = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(organizationId: string, dependencies: LeaseDeskDependencies, onEmpty: () => void) {
    this.#organizationId = organizationId;
    this.#dependencies = dependencies;
    this.#onEmpty = onEmpty;
  }

  join(call: LeaseCall): Promise<GrantedLease> {
    if (this.#waiting.length >= longestLine) {
      throw new GatewayError("OVERLOADED", `${longestLine} calls of this organization wait for its budgets already. Try again in a moment.`, { retryAfterMs: 1_000 });
    }
    const { clock } = this.#dependencies;
    const { holderId, keyId, labels, leastNanos, floorNanos, wantedNanos, maxWaitMs, signal } = call;
    const need: LeaseNeed = { leaseId: newId("lea", clock), holderId, keyId, labels, leastNanos, floorNanos, wantedNanos, canWait: maxWaitMs > 0 };
    const { promise, resolve, reject } = Promise.withResolvers<GrantedLease>();
    const waiting: Waiting = { call, need, sinceMs: clock.monotonicMs(), resolve, reject };
    const leave = (): void => this.#leave(waiting);
    signal.addEventListener("abort", leave);
    this.#waiting.push(waiting);
    this.lookAgain();
    return promise.finally(() => signal.removeEventListener("abort", leave));
  }

  lookAgain(): void {
    this.#mustAskAgain = true;
    if (!this.#isAsking) void this.#ask();
  }

  #leave(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    waiting.reject(new GatewayError("CANCELLED", "The caller went away while its call waited for a budget."));
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isAsking = true;
    while (this.#mustAskAgain && this.#waiting.length > 0) {
      // Whoever was answered by the last statement and asks again still gets into this one, instead of waiting for it.
      await new Promise(setImmediate);
      this.#mustAskAgain = false;
      if (this.#waiting.length > 0) await this.#askOnce();
    }
    this.#isAsking = false;
    if (this.#waiting.length === 0) this.#onEmpty();
    else this.#timer = setTimeout(() => this.lookAgain(), lookEveryMs);
  }

  async #askOnce(): Promise<void> {
    const { database } = this.#dependencies;
    const asked = this.#waiting;
    this.#waiting = [];
    try {
      const answers = await acquireLeases(database, this.#organizationId, leaseLifeMs, asked.map(({ need }) => need));
      const staying = asked.filter((waiting, index) => !this.#answer(waiting, answers[index]!));
      this.#waiting = [...staying, ...this.#waiting];
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  /** False when the call is to wait on. */
  #answer({ call, need, sinceMs, resolve, reject }: Waiting, answer: LeaseAnswer): boolean {
    const { clock } = this.#dependencies;
    const { amountNanos, lifeMs, short } = answer;
    if (call.signal.aborted) {
      // What nobody takes is given back; a failure to do so costs its room until the lease ends.
      if (amountNanos !== undefined) returnLeases(this.#dependencies.database, call.holderId, [{ leaseId: need.leaseId, unspentNanos: amountNanos }]).catch(() => undefined);
    } else if (lifeMs === undefined) {
      reject(new GatewayError("KEY_INVALID", "There is no such key in the organization."));
    } else if (amountNanos !== undefined || short === undefined) {
      resolve({ ...answer, leaseId: amountNanos === undefined ? "" : need.leaseId });
    } else {
      const patience = patienceMs(short, call.leastNanos, call.maxWaitMs);
      if (patience > 0 && short.drawableLeases > 0) void this.#dependencies.recall(this.#organizationId, short.periodId);
      if (clock.monotonicMs() - sinceMs < patience) return false;
      reject(budgetExceeded(short, call.leastNanos));
    }
    return true;
  }
}
