/** Owns the law that an attempt's id is sent once: remembers the ids of a short window and refuses all that are older. */
import { timeOfId } from "#platform/ids.ts";
import { GatewayError } from "#platform/errors.ts";

/** How old an id may be when its attempt begins. */
export const maximumAgeMs = 30_000;
/** How far ahead of this clock the clock that made an id may be. */
export const maximumSkewMs = 10_000;
const maximumRemembered = 2_000_000;

/**
 * Ids in two generations. A generation lasts as long as an id stays acceptable, so that dropping the older one
 * forgets only ids that are refused for their age.
 */
export class SentAttempts {
  #beginMs: number;
  #latestMs: number;
  #young = new Set<string>();
  #old = new Set<string>();
  #youngSinceMs: number;

  /** What was sent before `nowMs` is not known here, so ids from before it are refused. */
  constructor(nowMs: number) {
    this.#beginMs = nowMs;
    this.#latestMs = nowMs;
    this.#youngSinceMs = nowMs;
  }

  /** Takes the id as sent. Throws when it was, may have been, or has passed its start deadline. */
  take(id: string, startDeadlineMs: number | undefined, nowMs: number): void {
    this.#notice(nowMs);
    const bornMs = id.startsWith("att_") ? timeOfId(id) : undefined;
    if (bornMs === undefined) throw new GatewayError("INVALID_REQUEST", "The attempt's id is malformed; make it with newId(\"att\").");
    if (bornMs > nowMs + maximumSkewMs) {
      throw new GatewayError("DEPENDENCY_UNAVAILABLE", "The attempt's id is from the future, so nothing was sent: the clocks of Weir's machines differ. Set them.");
    }
    if (nowMs > (startDeadlineMs ?? Infinity) || nowMs - bornMs > maximumAgeMs || bornMs < this.#beginMs) {
      throw new GatewayError("ATTEMPT_TOO_LATE", `The attempt ${id} came after its start deadline; nothing was sent. Make a new attempt.`);
    }
    this.#rotate(nowMs);
    if (this.#young.has(id) || this.#old.has(id)) {
      throw new GatewayError("ATTEMPT_REPEATED", `The attempt ${id} was sent before; make a new attempt.`);
    }
    if (this.#young.size >= maximumRemembered) {
      throw new GatewayError("OVERLOADED", "More attempts than Weir can tell apart began within seconds; try again shortly.");
    }
    this.#young.add(id);
  }

  /** Where the clock was set back, this is another beginning: until it is again as late as it was, every id would be from before the first one. */
  #notice(nowMs: number): void {
    const isSetBack = nowMs < this.#latestMs - maximumSkewMs;
    if (isSetBack) this.#beginMs = this.#youngSinceMs = nowMs;
    this.#latestMs = isSetBack ? nowMs : Math.max(this.#latestMs, nowMs);
  }

  #rotate(nowMs: number): void {
    if (nowMs - this.#youngSinceMs <= maximumAgeMs + maximumSkewMs) return;
    this.#old = this.#young;
    this.#young = new Set();
    this.#youngSinceMs = nowMs;
  }
}
