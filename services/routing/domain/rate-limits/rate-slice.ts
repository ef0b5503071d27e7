/**
 * Owns what this process may still use of one window, decided in memory. What was drawn stands as used in policy, so that all processes
 * together never use more than there is. Amounts are whole numbers, times milliseconds on a clock that never steps back.
 */

/** What is asked of policy, and what it is told. */
export interface SliceAsk {
  readonly need: number;
  readonly want: number;
  readonly debt: number;
  readonly credit: number;
  /** Of what is given back. */
  readonly windowTimeMs: number;
}

export interface SliceGrant {
  readonly granted: number;
  /** When the window began, in milliseconds since 1970, by the database's clock. */
  readonly windowTimeMs: number;
  readonly windowRestMs: number;
  /** What others may still draw. */
  readonly remaining: number;
}

export class RateSlice {
  #left = 0;
  #windowTimeMs = 0;
  #endMs = -Infinity;
  #resetMs = -Infinity;
  #remaining = Infinity;
  #debt = 0;
  #turn = noTakings;
  #turnBefore = noTakings;

  /** When the next window has begun for sure. */
  get resetMs(): number {
    return this.#resetMs;
  }

  /** The window that is used now. */
  get windowTimeMs(): number {
    return this.#windowTimeMs;
  }

  /** What all processes may still use, as far as it is known here. */
  get remaining(): number {
    return Math.max(0, this.#remaining + this.#left - this.#debt);
  }

  /** What can be taken without asking. */
  inHand(nowMs: number): number {
    return nowMs < this.#endMs ? this.#left : 0;
  }

  /** Whether there was so much in hand; then it is taken. */
  take(amount: number, nowMs: number): boolean {
    if (nowMs >= this.#endMs || amount > this.#left) return false;
    this.#left -= amount;
    this.#turn = { amount: this.#turn.amount + amount, times: this.#turn.times + 1 };
    return true;
  }

  /** What was taken in that window turns out to be more (positive) or less by so much. */
  correct(difference: number, windowTimeMs: number, nowMs: number): void {
    const isPresent = windowTimeMs === this.#windowTimeMs && nowMs < this.#endMs;
    if (difference < 0) {
      // What is over cannot be used again.
      if (isPresent) this.#left -= difference;
      return;
    }
    const covered = isPresent ? Math.min(this.#left, difference) : 0;
    this.#left -= covered;
    this.#debt += difference - covered;
  }

  /** Whether it is time to draw ahead of the calls. */
  get isLow(): boolean {
    return 2 * this.#left < this.#pace;
  }

  /** A turn has passed: true when there is something to give back or to tell. */
  turn(nowMs: number): boolean {
    this.#turnBefore = this.#turn;
    this.#turn = noTakings;
    return this.#debt > 0 || (nowMs < this.#endMs && this.#left > 2 * this.#pace);
  }

  /** Whether there is something to tell of former windows. */
  get isInDebt(): boolean {
    return this.#debt > 0;
  }

  /** True when nothing is lost by forgetting it. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.#endMs && this.#debt === 0;
  }

  /**
   * What to ask for while calls wait: the first of them for `need`, all of them for `waiting`. What is given back is gone from
   * here at once, whether it arrives or not.
   */
  ask(need: number, waiting: number, nowMs: number, givesBack = true): SliceAsk {
    if (nowMs >= this.#endMs) this.#left = 0;
    const ahead = 2 * this.#pace;
    const credit = givesBack && need === 0 ? Math.max(0, this.#left - ahead) : 0;
    const debt = this.#debt;
    this.#left -= credit;
    this.#debt = 0;
    this.#remaining += credit - debt;
    return { need: Math.max(0, need - this.#left), want: Math.max(0, waiting + ahead - this.#left), debt, credit, windowTimeMs: this.#windowTimeMs };
  }

  /** What was granted. When policy looked at its clock is not known: the window is used until the earliest end that it can have, and said to last to the latest. */
  receive({ granted, windowTimeMs, windowRestMs, remaining }: SliceGrant, askedMs: number, nowMs: number): void {
    if (windowTimeMs !== this.#windowTimeMs) this.#left = 0;
    this.#windowTimeMs = windowTimeMs;
    this.#endMs = askedMs + windowRestMs;
    // The rest is told in whole milliseconds.
    this.#resetMs = nowMs + windowRestMs + 1;
    this.#left += granted;
    this.#remaining = remaining;
  }

  /** Nothing was heard of what was asked. What was given back may have arrived, and is not used again; a debt is told again. */
  fail({ debt }: SliceAsk): void {
    this.#debt += debt;
  }

  /** What is taken in a turn; nothing where calls are rare, as drawing ahead for them would keep it from others. */
  get #pace(): number {
    return Math.max(this.#turn.times > 1 ? this.#turn.amount : 0, this.#turnBefore.times > 1 ? this.#turnBefore.amount : 0);
  }
}

/** What was taken in one turn, by which is drawn ahead. */
interface Takings {
  readonly amount: number;
  readonly times: number;
}

const noTakings: Takings = { amount: 0, times: 0 };
