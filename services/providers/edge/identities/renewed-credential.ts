/** Owns one obtained credential: kept until shortly before its end, renewed ahead of time, by one call however many wait for it. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { CredentialSource, ObtainCredential, ObtainedCredential } from "../../domain/credentials/credential-source.ts";

/** From when on it is renewed while it is still shown; of a short-lived one in its last quarter. */
const renewAheadMs = 300_000;
/** What ends sooner is not shown any more: the request must still arrive. */
const marginMs = 30_000;
/** How long one attempt to obtain it may take. */
const deadlineMs = 10_000;
/** How long after an attempt no other is made, unless there is nothing to show. After a failed one, nobody waits for another. */
const longestPauseMs = 5_000;
/** How long after a failed attempt another one is made although no call needs it, so that the problem goes away with its cause. */
const lookAgainMs = 60_000;

export interface RenewedCredentialOptions {
  readonly provider: string;
  readonly obtain: ObtainCredential;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class RenewedCredential implements CredentialSource {
  readonly organizationId = "";
  readonly #options: RenewedCredentialOptions;
  #credential: Secret | undefined;
  /** When it was obtained, by both clocks. */
  #obtainedAt: Moment = { monotonicMs: 0, timeMs: 0 };
  /** After how long to renew it. */
  #renewAfterMs = -Infinity;
  /** After how long those who come wait for the next one, if it can be had. */
  #waitAfterMs = Infinity;
  /** For how long it can be shown. */
  #goodForMs = -Infinity;
  #renewal: Promise<void> | undefined;
  #failure: GatewayError | undefined;
  /** Of the failure. */
  #cause = "";
  #pauseMs = longestPauseMs;
  /** On the monotonic clock. */
  #pauseUntilMs = -Infinity;

  constructor(options: RenewedCredentialOptions) {
    this.#options = options;
  }

  choose(): Secret | undefined {
    return this.#credential;
  }

  prepare(): Promise<void> | undefined {
    const ageMs = this.#ageMs();
    if (ageMs < this.#renewAfterMs) return undefined;
    const isPaused = this.#options.clock.monotonicMs() < this.#pauseUntilMs;
    if (ageMs < this.#goodForMs) {
      const renewal = isPaused ? undefined : this.#renew().catch(() => undefined);
      return ageMs < this.#waitAfterMs ? undefined : renewal;
    }
    return isPaused && this.#failure !== undefined ? Promise.reject(this.#failure) : this.#renew();
  }

  problem(): string | undefined {
    if (this.#failure === undefined || this.#ageMs() < this.#goodForMs) return undefined;
    if (this.#options.clock.monotonicMs() >= this.#pauseUntilMs + lookAgainMs) this.#renew().catch(() => undefined);
    return this.#cause;
  }

  refused(credential: Secret): void {
    // Whoever held an earlier one says nothing of this one; and one that was just obtained is refused for other reasons.
    if (credential !== this.choose() || this.#options.clock.monotonicMs() < this.#pauseUntilMs) return;
    this.#renewAfterMs = -Infinity;
    this.#waitAfterMs = -Infinity;
  }

  limited(): void {}
  accepted(): void {}

  // The one that takes its place is not obtained yet.
  hasOther(): boolean {
    return false;
  }

  /** By the clock that went on further: one can be set back, and the other stands still while the machine sleeps. */
  #ageMs(): number {
    const { clock } = this.#options;
    return Math.max(clock.monotonicMs() - this.#obtainedAt.monotonicMs, clock.now() - this.#obtainedAt.timeMs);
  }

  #renew(): Promise<void> {
    this.#renewal ??= this.#obtain().finally(() => {
      this.#renewal = undefined;
      this.#pauseUntilMs = this.#options.clock.monotonicMs() + this.#pauseMs;
    });
    return this.#renewal;
  }

  async #obtain(): Promise<void> {
    const { provider, obtain, clock, logger } = this.#options;
    try {
      const obtained = await withinDeadline((signal) => obtain(clock.now(), signal));
      this.#take(obtained, { monotonicMs: clock.monotonicMs(), timeMs: clock.now() });
      this.#failure = undefined;
    } catch (error) {
      this.#waitAfterMs = Infinity;
      this.#cause = describe(error);
      logger.warn({ provider, cause: this.#cause }, "a provider's credential could not be obtained");
      this.#failure = new GatewayError("DEPENDENCY_UNAVAILABLE", `The provider ${provider} has no credential: it could not be obtained. Weir's log has the cause; its operator must check the provider's identity in weir.yaml.`, {
        metadata: { provider, dependency: "credential" },
      });
      throw this.#failure;
    }
  }

  #take({ credential, expiresAtMs, lookAgainAfterMs = Infinity }: ObtainedCredential, obtainedAt: Moment): void {
    const lifetimeMs = expiresAtMs - obtainedAt.timeMs;
    if (lifetimeMs <= marginMs) throw new Error("what was obtained has already ended; check the clock of this machine");
    // The same secret stays the same object.
    if (credential.reveal() !== this.#credential?.reveal()) this.#credential = credential;
    this.#obtainedAt = obtainedAt;
    this.#goodForMs = lifetimeMs - marginMs;
    this.#renewAfterMs = Math.min(lifetimeMs - Math.min(renewAheadMs, lifetimeMs / 4), lookAgainAfterMs);
    this.#waitAfterMs = 2 * lookAgainAfterMs;
    this.#pauseMs = Math.min(longestPauseMs, lookAgainAfterMs);
  }
}

interface Moment {
  readonly monotonicMs: number;
  /** Since 1970. */
  readonly timeMs: number;
}

/** Its text alone, as libraries hang the whole request on their errors, without what it quotes, which may be of a file with a key. */
function describe(error: unknown): string {
  return error instanceof Error ? error.message.replace(/".*"/s, '"…"').slice(0, 500) : "unknown";
}

/** The deadline holds also for what does not listen to the signal. */
async function withinDeadline(obtain: (signal: AbortSignal) => Promise<ObtainedCredential>): Promise<ObtainedCredential> {
  const deadline = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    deadline.abort();
    late.reject(new Error(`no answer within ${deadlineMs} ms`));
  }, deadlineMs);
  try {
    return await Promise.race([obtain(deadline.signal), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
