/** Owns the attempts under way, so that a stop can wait for them and cut those that remain. */
import { GatewayError } from "#platform/errors.ts";

export interface RunningAttempt {
  /** Ends the attempt towards its caller and its vendor, at once. */
  cut(error: GatewayError): void;
  /** Notes what it has come to so far, if it is time. */
  checkpoint(): void;
}

export class RunningAttempts {
  readonly #attempts = new Set<RunningAttempt>();
  #onIdle: (() => void)[] = [];
  #isStopping = false;

  /** Throws SHUTTING_DOWN once a stop has begun. */
  add(attempt: RunningAttempt): void {
    if (this.#isStopping) throw shuttingDown();
    this.#attempts.add(attempt);
  }

  has(attempt: RunningAttempt): boolean {
    return this.#attempts.has(attempt);
  }

  delete(attempt: RunningAttempt): void {
    this.#attempts.delete(attempt);
    if (this.#attempts.size > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  checkpoint(): void {
    for (const attempt of this.#attempts) attempt.checkpoint();
  }

  /** Takes no more attempts, lets those under way finish, and cuts what is left of them after the grace. Resolves when none is. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    if (this.#attempts.size === 0) return;
    const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
    const timer = setTimeout(() => {
      for (const attempt of this.#attempts) attempt.cut(shuttingDown());
    }, graceMs);
    await idle;
    clearTimeout(timer);
  }
}

function shuttingDown(): GatewayError {
  return new GatewayError("SHUTTING_DOWN", "Weir is stopping; try again.");
}
