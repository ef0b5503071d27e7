/** Owns one counter of a rate limit as it is seen in this process: what is in hand, who waits for more, and what is said to policy of it. */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { PermitDrawSchema, RateDrawSchema, type PermitDraw, type PermitLease, type RateDraw, type RateSlice as DrawnSlice } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { RateExceeded, type RateCounter } from "../domain/rate-limits/rate-admission.ts";
import type { AppliedLimit } from "../domain/rate-limits/rate-limit.ts";
import { RatePermits, type PermitAsk } from "../domain/rate-limits/rate-permits.ts";
import { RateSlice, type SliceAsk } from "../domain/rate-limits/rate-slice.ts";

/** The way to policy. */
export interface Draws {
  /** True while policy does not answer: then nothing is given back, as it would be lost. */
  isPolicyAway(): boolean;
  /** The counter has something to ask or to tell. */
  due(counter: SliceCounter | PermitCounter): void;
}

/** How long a refusal is believed; others may have given back meanwhile. */
const refusalMs = 100;
/** When a place may be free where calls at one time are limited: nobody knows. */
export const permitRetryMs = 1_000;

interface Waiter {
  readonly amount: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Those who wait for one counter, first come, first served. */
class Queue {
  #waiters: Waiter[] = [];
  #refusedAmount = Infinity;
  #refusedUntilMs = -Infinity;

  get first(): number {
    return this.#waiters[0]?.amount ?? 0;
  }

  get total(): number {
    return this.#waiters.reduce((sum, { amount }) => sum + amount, 0);
  }

  get length(): number {
    return this.#waiters.length;
  }

  wait(amount: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ amount, resolve, reject }));
  }

  /** True when so much was refused just now. */
  isRefused(amount: number, nowMs: number): boolean {
    return amount >= this.#refusedAmount && nowMs < this.#refusedUntilMs;
  }

  serve(take: (amount: number) => boolean): void {
    while (this.#waiters.length > 0 && take(this.#waiters[0]!.amount)) this.#waiters.shift()!.resolve();
  }

  /** Refuses all who want as much as the first, or more. */
  refuse(retryAfterMs: number, nowMs: number): void {
    this.#refusedAmount = this.first;
    this.#refusedUntilMs = nowMs + Math.min(refusalMs, retryAfterMs);
    const refused = this.#waiters.filter(({ amount }) => amount >= this.#refusedAmount);
    this.#waiters = this.#waiters.filter(({ amount }) => amount < this.#refusedAmount);
    for (const { reject } of refused) reject(new RateExceeded(retryAfterMs));
  }

  fail(error: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}

/** Counts in windows. */
export class SliceCounter implements RateCounter {
  amount: number;
  readonly #limit: AppliedLimit;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #draws: Draws;
  readonly #slice = new RateSlice();
  readonly #queue = new Queue();
  #asked: SliceAsk = { need: 0, want: 0, debt: 0, credit: 0, windowTimeMs: 0 };
  /** Until when drawing ahead is of no use. */
  #dryUntilMs = -Infinity;

  constructor(limit: AppliedLimit, key: string, clock: Clock, draws: Draws) {
    this.amount = limit.amount;
    this.#limit = limit;
    this.#key = key;
    this.#clock = clock;
    this.#draws = draws;
  }

  take(amount: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    // Nobody overtakes those who wait.
    if (this.#queue.length > 0 || !this.#slice.take(amount, nowMs)) return false;
    if (this.#slice.isLow && nowMs >= this.#dryUntilMs) this.#draws.due(this);
    return true;
  }

  async draw(amount: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#queue.isRefused(amount, nowMs)) throw new RateExceeded(this.#restMs(nowMs));
    this.#draws.due(this);
    if (this.#draws.isPolicyAway()) throw policyAway();
    await this.#queue.wait(amount);
  }

  correct(difference: number, windowTimeMs: number): void {
    this.#slice.correct(difference, windowTimeMs, this.#clock.monotonicMs());
    if (this.#slice.isInDebt) this.#draws.due(this);
  }

  get windowTimeMs(): number {
    return this.#slice.windowTimeMs;
  }

  get remaining(): number {
    return Math.min(this.amount, this.#slice.remaining);
  }

  get resetTimeMs(): number {
    return this.#clock.now() + this.#restMs(this.#clock.monotonicMs());
  }

  get isOver(): boolean {
    return this.#slice.isOver(this.#clock.monotonicMs()) && this.#queue.length === 0;
  }

  get mayBeForgotten(): boolean {
    return !this.#slice.isInDebt && this.#queue.length === 0;
  }

  get inHand(): number {
    return this.#slice.inHand(this.#clock.monotonicMs());
  }

  /** A draw of nothing, by which policy says what is left. */
  get question() {
    return { rates: [create(RateDrawSchema, { rateLimitId: this.#limit.id, counter: digestOf(this.#key), amount: BigInt(this.amount), window: durationFromMs(this.#limit.windowMs!) })] };
  }

  /** A turn has passed: true when there is something to say. */
  turn(): boolean {
    return this.#slice.turn(this.#clock.monotonicMs());
  }

  ask(nowMs: number): RateDraw {
    this.#asked = this.#slice.ask(this.#queue.first, this.#queue.total, nowMs, !this.#draws.isPolicyAway());
    const { need, want, debt, credit, windowTimeMs } = this.#asked;
    return create(RateDrawSchema, {
      rateLimitId: this.#limit.id,
      counter: digestOf(this.#key),
      amount: BigInt(this.amount),
      window: durationFromMs(this.#limit.windowMs!),
      need: BigInt(need),
      want: BigInt(Math.min(want, this.amount)),
      debt: BigInt(debt),
      credit: BigInt(credit),
      creditWindowTime: timestampFromMs(windowTimeMs),
    });
  }

  receive({ granted, windowTime, windowRest, remaining }: DrawnSlice, askedMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#slice.receive({ granted: Number(granted), windowTimeMs: timestampMs(windowTime!), windowRestMs: durationMs(windowRest!), remaining: Number(remaining) }, askedMs, nowMs);
    this.#queue.serve((amount) => this.#slice.take(amount, nowMs));
    const isRefused = granted === 0n && this.#asked.want > 0;
    if (isRefused) this.#dryUntilMs = nowMs + refusalMs;
    // Where nothing was needed, those who wait came after.
    if (isRefused && this.#asked.need > 0 && this.#queue.length > 0) this.#queue.refuse(this.#restMs(nowMs), nowMs);
    if (this.#queue.length > 0) this.#draws.due(this);
  }

  fail(cause: unknown): void {
    this.#slice.fail(this.#asked);
    this.#queue.fail(policyAway(cause));
  }

  #restMs(nowMs: number): number {
    return Math.max(1, Math.ceil(this.#slice.resetMs - nowMs));
  }
}

/** Counts what runs at one time. */
export class PermitCounter implements RateCounter {
  amount: number;
  readonly #limit: AppliedLimit;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #draws: Draws;
  readonly #permits = new RatePermits();
  readonly #queue = new Queue();
  #asked: PermitAsk = { running: 0, want: 0 };
  readonly windowTimeMs = 0;

  constructor(limit: AppliedLimit, key: string, clock: Clock, draws: Draws) {
    this.amount = limit.amount;
    this.#limit = limit;
    this.#key = key;
    this.#clock = clock;
    this.#draws = draws;
  }

  take(): boolean {
    return this.#queue.length === 0 && this.#permits.take(this.#clock.monotonicMs());
  }

  async draw(amount: number): Promise<void> {
    if (this.#queue.isRefused(amount, this.#clock.monotonicMs())) throw new RateExceeded(permitRetryMs);
    this.#draws.due(this);
    if (this.#draws.isPolicyAway()) throw policyAway();
    await this.#queue.wait(amount);
  }

  /** Frees a place. */
  correct(): void {
    this.#permits.release();
    this.#queue.serve(() => this.#permits.take(this.#clock.monotonicMs()));
  }

  get remaining(): number {
    return this.#permits.remaining;
  }

  get resetTimeMs(): number {
    return this.#clock.now() + permitRetryMs;
  }

  get isOver(): boolean {
    return this.mayBeForgotten;
  }

  get mayBeForgotten(): boolean {
    return this.#permits.isIdle() && this.#queue.length === 0;
  }

  get inHand(): number {
    return this.#permits.inHand(this.#clock.monotonicMs());
  }

  /** As in SliceCounter. */
  get question() {
    return { permits: [create(PermitDrawSchema, { rateLimitId: this.#limit.id, counter: digestOf(this.#key), amount: BigInt(this.amount) })] };
  }

  /** As in SliceCounter. */
  turn(): boolean {
    return this.#permits.turn(this.#clock.monotonicMs());
  }

  ask(): PermitDraw {
    this.#asked = this.#permits.ask(this.#queue.length, !this.#draws.isPolicyAway());
    return create(PermitDrawSchema, { rateLimitId: this.#limit.id, counter: digestOf(this.#key), amount: BigInt(this.amount), running: BigInt(this.#asked.running), want: BigInt(this.#asked.want) });
  }

  receive({ granted, remaining }: PermitLease, leaseMs: number, askedMs: number): void {
    this.#permits.receive({ granted: Number(granted), leaseMs, remaining: Number(remaining) }, askedMs);
    const nowMs = this.#clock.monotonicMs();
    this.#queue.serve(() => this.#permits.take(nowMs));
    if (this.#queue.length === 0) return;
    if (Number(granted) < this.#asked.want) this.#queue.refuse(permitRetryMs, nowMs);
    else this.#draws.due(this);
  }

  fail(cause: unknown): void {
    this.#queue.fail(policyAway(cause));
  }
}

function digestOf(key: string): Uint8Array {
  return createHash("sha256").update(key).digest().subarray(0, 16);
}

function policyAway(cause?: unknown): GatewayError {
  return new GatewayError("DEPENDENCY_UNAVAILABLE", "Rate limits cannot be counted at the moment: policy or its database does not answer. Try again soon.", { metadata: { dependency: "policy" }, retryAfterMs: 1_000, cause });
}
