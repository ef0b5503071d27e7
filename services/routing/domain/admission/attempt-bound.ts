/** Owns a bound on how often one address may try something in a minute. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";

const windowMs = 60_000;
/** Beyond it the address that began first is forgotten. */
const mostAddresses = 10_000;

export class AttemptBound {
  readonly #clock: Clock;
  readonly #most: number;
  /** By address, in the order in which they began. */
  readonly #windows = new Map<string, { attempts: number; readonly endMs: number }>();

  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Counts an attempt. Throws RATE_LIMITED beyond the bound. */
  count(address: string): void {
    const nowMs = this.#clock.monotonicMs();
    let window = this.#windows.get(address);
    if (window === undefined || window.endMs <= nowMs) {
      window = { attempts: 0, endMs: nowMs + windowMs };
      this.#windows.delete(address);
      this.#windows.set(address, window);
      if (this.#windows.size > mostAddresses) this.#windows.delete(this.#windows.keys().next().value!);
    }
    window.attempts++;
    if (window.attempts <= this.#most) return;
    throw new GatewayError("RATE_LIMITED", `More than ${this.#most} attempts to sign in came from ${address} within a minute. Wait, and try again.`, { metadata: { address }, retryAfterMs: window.endMs - nowMs });
  }
}
