/** Owns one lease: how much of it is free, and the holds that are drawn from it. */
import type { Hold } from "../domain/budget/hold.ts";
import type { PricedBound } from "../domain/budget/bound.ts";

export interface LeaseFacts {
  readonly id: string;
  readonly amountNanos: bigint;
  /** On the monotonic clock: when it was asked for, and until when attempts may begin under it. */
  readonly startMs: number;
  readonly endMs: number;
  /** The budget that leaves less than is needed; empty where none does. */
  readonly clampedBy: string;
}

export class Lease implements LeaseFacts {
  readonly id: string;
  readonly amountNanos: bigint;
  readonly startMs: number;
  readonly endMs: number;
  readonly clampedBy: string;
  #freeNanos: bigint;
  #isGivenUp = false;

  constructor({ id, amountNanos, startMs, endMs, clampedBy }: LeaseFacts) {
    this.id = id;
    this.amountNanos = amountNanos;
    this.startMs = startMs;
    this.endMs = endMs;
    this.clampedBy = clampedBy;
    this.#freeNanos = amountNanos;
  }

  /** What is not drawn, and what ended attempts did not need. */
  get freeNanos(): bigint {
    return this.#freeNanos;
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /** True while more than half of it, and of its life, is left. */
  isFresh(nowMs: number): boolean {
    return this.#freeNanos * 2n > this.amountNanos && nowMs < (this.startMs + this.endMs) / 2;
  }

  /** The bound must be free. */
  draw(bound: PricedBound, lifeMs: number, onFreed: () => void): Hold {
    this.#freeNanos -= bound.nanos;
    const spent = (nanos: bigint): void => {
      // What costs more than its bound is policy's to book.
      if (nanos < bound.nanos) this.#freeNanos += bound.nanos - nanos;
      onFreed();
    };
    return { leaseId: this.id, bound, clampedBy: this.clampedBy, startWithinMs: lifeMs, spent };
  }

  giveUp(): void {
    this.#isGivenUp = true;
  }
}
