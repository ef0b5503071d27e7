/** Owns the leases of this process: what policy has taken from budgets for it, from which attempts draw their bounds without asking anybody. */
import { setTimeout as pause } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { AcquireLeaseRequestSchema, PeekLeaseRequestSchema, WatchRecallsRequestSchema, type AcquireLeaseResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { Logger } from "#platform/logger.ts";
import { followView, heartbeatInterval } from "#platform/views/pushed-view.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import { mostNanos, type PricedBound } from "../domain/budget/bound.ts";
import type { Hold, HoldContext, HoldSource, Need } from "../domain/budget/hold.ts";
import type { PeekedHold } from "../domain/dry-run.ts";
import { Lease } from "./lease.ts";
import { LeaseBalances, type Balance, type Waiting } from "./lease-balances.ts";
import { LeaseQuestions } from "./lease-questions.ts";
import { LeaseReturns } from "./lease-returns.ts";

export interface LeaseHolderOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "acquireLease" | "peekLease" | "returnLeases" | "watchRecalls">;
  /** How long ago policy and its database were last known to be in reach. */
  readonly contact: { readonly ageMs: number };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the following of recalls. */
  readonly signal: AbortSignal;
}

const identity = { kind: "service", name: "routing" } as const;
/** The longest that a call waits where its budget says that calls wait. */
const longestWaitMs = 60_000;
/** So long before its deadline a call that waits hears that its budget is what it lacks: policy looks again now and then. */
const answerAheadMs = 500;
const stopWithinMs = 1_000;
const sweepIntervalMs = 500;
/** The most calls that wait for one lease; no more can be served before their callers give up. */
const mostWaiting = 10_000;
/** How often a call asks again that could draw nothing from the lease it was given, because that was recalled in the same moment. */
const mostQuestions = 3;
/** How many bounds a lease is to be good for, where little was drawn so far. */
const leastAhead = 4n;
/** The most that is asked for, however many wait. */
const mostWantedNanos = mostNanos;
/** For how long nothing is asked for ahead of need, after policy gave less than that. */
const scarceMs = 1_000;
/** An attempt begins this long before its lease ends, or not under it: what is between is on its way. */
const leastLifeMs = 50;

export class LeaseHolder implements HoldSource {
  readonly #options: LeaseHolderOptions;
  readonly #id: string;
  readonly #returns: LeaseReturns;
  readonly #balances = new LeaseBalances((leaseId) => this.#giveUp(leaseId));
  readonly #byId = new Map<string, { readonly lease: Lease; readonly balance: Balance }>();
  readonly #questions: LeaseQuestions;
  /** What policy is being asked for, until what it gives is taken. */
  readonly #acquiring = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #isStopping = false;

  constructor(options: LeaseHolderOptions) {
    const { policy, clock, logger, signal } = options;
    this.#options = options;
    this.#id = newId("hld", clock);
    this.#questions = new LeaseQuestions(options);
    this.#returns = new LeaseReturns({ policy, holderId: this.#id, logger });
    this.#timer = setInterval(() => this.#sweep(), sweepIntervalMs).unref();
    void followView({
      name: "recalls of leases",
      open: (openSignal) => policy.watchRecalls(create(WatchRecallsRequestSchema, { holderId: this.#id, heartbeatInterval }), { identity, requestId: "", signal: openSignal }),
      apply: ({ leaseIds }) => {
        for (const leaseId of leaseIds) this.#giveUp(leaseId);
      },
      logger,
      signal,
    });
  }

  hold(need: Need, context: HoldContext): Hold | Promise<Hold> {
    const balance = this.#balances.of(context.grant, context.labels);
    if (balance.waiting.length === 0) {
      const hold = this.#draw(balance, need);
      if (hold !== undefined) {
        this.#renewAhead(balance, need, context);
        return hold;
      }
    }
    return this.#wait(balance, need, context);
  }

  /** What `hold` would come to now, without drawing or waiting. Throws as `hold` does. */
  async peek(need: Need, { grant, labels, deadlineMs }: HoldContext): Promise<PeekedHold> {
    const { clock } = this.#options;
    const { organizationId, keyId } = grant;
    const leases = this.#balances.find(grant, labels)?.leases ?? new Set<Lease>();
    const nowMs = clock.monotonicMs();
    const inHand = [...leases].filter(({ endMs }) => endMs - nowMs >= leastLifeMs).map(({ freeNanos }) => freeNanos);
    if (inHand.some((nanos) => nanos >= need.bound.nanos)) return { hold: peeked(need.bound), waitsFor: "" };
    // What is in hand and too small goes back before more is asked for.
    const backNanos = inHand.reduce((sum, nanos) => sum + nanos, 0n);
    const beyond = (nanos: bigint): bigint => (nanos > backNanos ? nanos - backNanos : 0n);
    const maxWaitMs = Math.max(0, Math.min(longestWaitMs, deadlineMs - clock.now()));
    const leastNanos = beyond(need.bound.nanos);
    const lease = { holderId: this.#id, organizationId, keyId, labels: { ...labels }, leastNanos, floorNanos: beyond(need.floorNanos), wantedNanos: leastNanos, maxWait: durationFromMs(Math.floor(maxWaitMs)) };
    const { isBudgeted, amountNanos, clampedBy, waitsFor } = await this.#questions.peek(create(PeekLeaseRequestSchema, { lease }));
    if (!isBudgeted) return { hold: exempt(need, longestWaitMs), waitsFor };
    const bound = clampedBy === "" ? need.bound : (need.clamp(amountNanos + backNanos) ?? need.bound);
    return { hold: peeked(bound, clampedBy), waitsFor };
  }

  /** Gives everything back, where policy answers soon. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    for (const leaseId of this.#byId.keys()) this.#giveUp(leaseId);
    const told = Promise.allSettled(this.#acquiring).then(() => this.#returns.flush());
    await Promise.race([told, pause(stopWithinMs, undefined, { ref: false })]);
    this.#returns.stop();
  }

  #draw(balance: Balance, need: Need): Hold | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs < balance.exemptUntilMs) return exempt(need, balance.exemptUntilMs - nowMs);
    for (const lease of balance.leases) {
      if (lease.endMs - nowMs < leastLifeMs) continue;
      const bound = lease.freeNanos >= need.bound.nanos ? need.bound : lease.clampedBy === "" ? undefined : need.clamp(lease.freeNanos);
      if (bound === undefined) continue;
      balance.drawnNanos += bound.nanos;
      return lease.draw(bound, lease.endMs - nowMs, () => this.#freed(lease, balance));
    }
    return undefined;
  }

  #wait(balance: Balance, need: Need, context: HoldContext): Promise<Hold> {
    if (this.#isStopping) throw new GatewayError("SHUTTING_DOWN", "Weir is stopping; call again.");
    if (balance.waiting.length >= mostWaiting) throw new GatewayError("OVERLOADED", "Too many calls wait for their budget. Try again soon.", { retryAfterMs: 1_000 });
    return new Promise((resolve, reject) => {
      const { signal } = context;
      const leave = (): void => {
        const place = balance.waiting.indexOf(waiting);
        if (place >= 0) balance.waiting.splice(place, 1);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        need,
        context,
        resolve: (hold) => {
          signal.removeEventListener("abort", leave);
          resolve(hold);
        },
        reject: (error) => {
          signal.removeEventListener("abort", leave);
          reject(error as Error);
        },
      };
      if (signal.aborted) return reject(signal.reason as Error);
      signal.addEventListener("abort", leave);
      balance.waiting.push(waiting);
      void this.#acquireForWaiting(balance);
    });
  }

  /** One question at a time for each scope: what waits meanwhile is gathered in the next. */
  async #acquireForWaiting(balance: Balance): Promise<void> {
    if (balance.isAcquiring) return;
    balance.isAcquiring = true;
    try {
      for (let first: Waiting | undefined, questions = 0; ; ) {
        this.#serve(balance);
        const [next] = balance.waiting;
        if (next === undefined) return;
        questions = next === first ? questions + 1 : 1;
        first = next;
        // What is too small for the first in the row may be what policy lacks.
        for (const { id } of balance.leases) this.#giveUp(id);
        const needed = balance.waiting.reduce((sum, { need }) => sum + need.bound.nanos, 0n);
        try {
          if (questions > mostQuestions) throw new GatewayError("OVERLOADED", "The budget of this key is wanted by too many at once. Try again soon.", { retryAfterMs: scarceMs });
          await this.#acquire(balance, first, needed, longestWaitMs);
        } catch (error) {
          this.#refuse(balance, first, error);
        }
      }
    } finally {
      balance.isAcquiring = false;
    }
  }

  #serve(balance: Balance): void {
    for (let first = balance.waiting[0]; first !== undefined; first = balance.waiting[0]) {
      const hold = this.#draw(balance, first.need);
      if (hold === undefined) return;
      balance.waiting.shift();
      first.resolve(hold);
    }
  }

  /** Those who need as much are refused with the first: they would hear the same. */
  #refuse(balance: Balance, first: Waiting, error: unknown): void {
    balance.renewFromMs = this.#options.clock.monotonicMs() + scarceMs;
    const isForAll = !(error instanceof GatewayError) || error.reason !== "BUDGET_EXCEEDED";
    const leastOf = ({ need }: Waiting): bigint => (need.floorNanos === 0n ? need.bound.nanos : need.floorNanos);
    for (const waiting of balance.waiting.splice(0)) {
      if (isForAll || waiting === first || leastOf(waiting) >= leastOf(first)) waiting.reject(error);
      else balance.waiting.push(waiting);
    }
  }

  /** When half of what there is is drawn, or half of its life is over, the next lease is asked for. */
  #renewAhead(balance: Balance, need: Need, context: HoldContext): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (balance.isAcquiring || nowMs < balance.renewFromMs || nowMs < balance.exemptUntilMs) return;
    for (const lease of balance.leases) if (lease.isFresh(nowMs)) return;
    balance.isAcquiring = true;
    this.#acquire(balance, { need, context }, need.bound.nanos, 0)
      .catch((error: unknown) => {
        balance.renewFromMs = this.#options.clock.monotonicMs() + scarceMs;
        this.#options.logger.debug({ error }, "a lease could not be had ahead of need");
      })
      .finally(() => {
        balance.isAcquiring = false;
        if (balance.waiting.length > 0) void this.#acquireForWaiting(balance);
      });
  }

  #acquire(balance: Balance, waiting: Pick<Waiting, "need" | "context">, neededNanos: bigint, longestMs: number): Promise<void> {
    const acquiring = this.#ask(balance, waiting, neededNanos, longestMs).finally(() => this.#acquiring.delete(acquiring));
    this.#acquiring.add(acquiring);
    return acquiring;
  }

  async #ask(balance: Balance, { need, context }: Pick<Waiting, "need" | "context">, neededNanos: bigint, longestMs: number): Promise<void> {
    const { clock } = this.#options;
    const { organizationId, keyId } = context.grant;
    const askedAtMs = clock.monotonicMs();
    const waitMs = Math.max(0, Math.min(longestMs, context.deadlineMs - clock.now() - answerAheadMs));
    const wishedNanos = leastAhead * neededNanos + 2n * balance.drawnNanos;
    const wantedNanos = wishedNanos < mostWantedNanos ? wishedNanos : mostWantedNanos;
    balance.drawnNanos = 0n;
    const request = create(AcquireLeaseRequestSchema, {
      holderId: this.#id,
      organizationId,
      keyId,
      labels: context.labels,
      leastNanos: need.bound.nanos,
      floorNanos: need.floorNanos,
      wantedNanos,
      maxWait: durationFromMs(Math.floor(waitMs)),
    });
    const answer = await this.#questions.ask(request, waitMs, askedAtMs, context.span?.context);
    if (answer.amountNanos < wantedNanos) balance.renewFromMs = clock.monotonicMs() + scarceMs;
    this.#take(balance, answer, context, askedAtMs);
  }

  #take(balance: Balance, { leaseId, amountNanos, life, scope, clampedBy }: AcquireLeaseResponse, context: HoldContext, askedAtMs: number): void {
    const { organizationId } = context.grant;
    if (scope !== undefined) this.#balances.setScope(organizationId, scope);
    // What waited under the scope that held before waits on with those whose lease this is.
    const owner = this.#balances.of(context.grant, context.labels);
    const endMs = askedAtMs + durationMs(life!);
    if (leaseId === "") {
      owner.exemptUntilMs = endMs;
    } else {
      const lease = new Lease({ id: leaseId, amountNanos, startMs: askedAtMs, endMs, clampedBy });
      owner.leases.add(lease);
      this.#byId.set(leaseId, { lease, balance: owner });
      if (this.#isStopping) this.#giveUp(leaseId);
    }
    if (owner !== balance) this.#rejoin(balance);
  }

  /** The scope of these calls has changed: each goes where it belongs now. */
  #rejoin(balance: Balance): void {
    for (const waiting of balance.waiting.splice(0)) void this.#holdAnew(waiting);
    for (const { id } of balance.leases) this.#giveUp(id);
  }

  async #holdAnew(waiting: Waiting): Promise<void> {
    try {
      waiting.resolve(await this.hold(waiting.need, waiting.context));
    } catch (error) {
      waiting.reject(error);
    }
  }

  /** Something of a lease is free again: for those who wait here, or, where it was given up, for all others. */
  #freed(lease: Lease, balance: Balance): void {
    if (lease.isGivenUp) this.#returns.add(lease.id, lease.freeNanos);
    else if (balance.waiting.length > 0) this.#serve(balance);
  }

  /** Nothing is drawn from it any more. Policy waits for the answer, also where nothing is left, or nothing is known of it. */
  #giveUp(leaseId: string): void {
    const held = this.#byId.get(leaseId);
    if (held === undefined) return this.#returns.add(leaseId, 0n);
    const { lease, balance } = held;
    lease.giveUp();
    this.#byId.delete(leaseId);
    balance.leases.delete(lease);
    this.#returns.add(leaseId, lease.freeNanos);
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#questions.giveUpSilent(nowMs);
    for (const [leaseId, { lease }] of this.#byId) if (lease.endMs - nowMs < leastLifeMs) this.#giveUp(leaseId);
    this.#balances.forgetUnused(nowMs);
  }

}

function exempt(need: Need, startWithinMs: number): Hold {
  return { leaseId: "", bound: need.bound, clampedBy: "", startWithinMs, spent: () => undefined };
}

function peeked(bound: PricedBound, clampedBy = ""): Hold {
  return { leaseId: "peeked", bound, clampedBy, startWithinMs: longestWaitMs, spent: () => undefined };
}
