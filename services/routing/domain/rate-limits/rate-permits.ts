/** Owns how many calls this process may run at one time of what one limit allows all processes, decided in memory; times as in rate-slice.ts. */

export interface PermitAsk {
  readonly running: number;
  readonly want: number;
}

export interface PermitGrant {
  readonly granted: number;
  readonly leaseMs: number;
  /** What others may still have. */
  readonly remaining: number;
}

/** Permits are drawn again this long before their lease ends. */
const renewBeforeMs = 10_000;

export class RatePermits {
  #granted = 0;
  #running = 0;
  #endMs = -Infinity;
  #remaining = Infinity;
  /** The most that ran in this turn and in the one before; so many are kept. */
  #peak = 0;
  #peakBefore = 0;

  get remaining(): number {
    return Math.max(0, this.#remaining + this.#granted - this.#running);
  }

  /** How many more may run without asking. */
  inHand(nowMs: number): number {
    return nowMs < this.#endMs ? Math.max(0, this.#granted - this.#running) : 0;
  }

  /** Whether one more may run; then it does. */
  take(nowMs: number): boolean {
    if (nowMs >= this.#endMs || this.#running >= this.#granted) return false;
    this.#running++;
    this.#peak = Math.max(this.#peak, this.#running);
    return true;
  }

  release(): void {
    this.#running--;
  }

  /** A turn has passed: true when there is something to give up, or the lease is to be renewed. */
  turn(nowMs: number): boolean {
    this.#peakBefore = this.#peak;
    this.#peak = this.#running;
    if (this.#granted === 0 && this.#running === 0) return false;
    return this.#granted > this.#kept || nowMs >= this.#endMs - renewBeforeMs;
  }

  isIdle(): boolean {
    return this.#granted === 0 && this.#running === 0;
  }

  /** What to ask for while so many calls wait; what is given up is gone from here at once. */
  ask(waiting: number, givesUp = true): PermitAsk {
    const want = Math.max(givesUp ? this.#kept : this.#granted, this.#running + waiting);
    this.#remaining += Math.max(0, this.#granted - want);
    this.#granted = Math.min(this.#granted, want);
    return { running: this.#running, want };
  }

  /** What was granted, asked for at that time. */
  receive({ granted, leaseMs, remaining }: PermitGrant, askedMs: number): void {
    this.#granted = granted;
    this.#endMs = askedMs + leaseMs;
    this.#remaining = remaining;
  }

  get #kept(): number {
    return Math.max(this.#peak, this.#peakBefore);
  }
}
