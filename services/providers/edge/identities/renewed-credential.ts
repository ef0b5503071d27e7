/** Owns one obtained credential: kept until shortly before its end, renewed ahead of time, by one call however many wait for it. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import type { Secret } from "#platform/secret.ts";
import type { CredentialSource, ObtainCredential, ObtainedCredential } from "../../domain/credential-source.ts";

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
  /** When to renew it. */
  #renewAtMs = -Infinity;
  /** From when on those who come wait for the next one, if it can be had. */
  #waitFromMs = Infinity;
  /** Until when it can be shown. */
  #goodUntilMs = -Infinity;
  #renewal: Promise<void> | undefined;
  #failure: GatewayError | undefined;
  /** Of the failure. */
  #cause = "";
  #pauseMs = longestPauseMs;
  #pauseUntilMs = -Infinity;

  constructor(options: RenewedCredentialOptions) {
    this.#options = options;
  }

  choose(): Secret | undefined {
    return this.#credential;
  }

  prepare(): Promise<void> | undefined {
    const nowMs = this.#options.clock.now();
    if (nowMs < this.#renewAtMs) return undefined;
    const isPaused = nowMs < this.#pauseUntilMs;
    if (nowMs < this.#goodUntilMs) {
      const renewal = isPaused ? undefined : this.#renew().catch(() => undefined);
      return nowMs < this.#waitFromMs ? undefined : renewal;
    }
    return isPaused && this.#failure !== undefined ? Promise.reject(this.#failure) : this.#renew();
  }

  problem(): string | undefined {
    const nowMs = this.#options.clock.now();
    if (this.#failure === undefined || nowMs < this.#goodUntilMs) return undefined;
    if (nowMs >= this.#pauseUntilMs + lookAgainMs) this.#renew().catch(() => undefined);
    return this.#cause;
  }

  refused(credential: Secret): void {
    // Whoever held an earlier one says nothing of this one; and one that was just obtained is refused for other reasons.
    if (credential !== this.choose() || this.#options.clock.now() < this.#pauseUntilMs) return;
    this.#renewAtMs = -Infinity;
    this.#waitFromMs = -Infinity;
  }

  limited(): void {}
  accepted(): void {}

  // The one that takes its place is not obtained yet.
  hasFresh(): boolean {
    return false;
  }

  #renew(): Promise<void> {
    this.#renewal ??= this.#obtain().finally(() => {
      this.#renewal = undefined;
      this.#pauseUntilMs = this.#options.clock.now() + this.#pauseMs;
    });
    return this.#renewal;
  }

  async #obtain(): Promise<void> {
    const { provider, obtain, clock, logger } = this.#options;
    try {
      const obtained = await withinDeadline((signal) => obtain(clock.now(), signal));
      this.#take(obtained, clock.now());
      this.#failure = undefined;
    } catch (error) {
      this.#waitFromMs = Infinity;
      this.#cause = describe(error);
      logger.warn({ provider, cause: this.#cause }, "a provider's credential could not be obtained");
      this.#failure = new GatewayError("DEPENDENCY_UNAVAILABLE", `The provider ${provider} has no credential: it could not be obtained. Weir's log has the cause; its operator must check the provider's identity in weir.yaml.`, {
        metadata: { provider, dependency: "credential" },
      });
      throw this.#failure;
    }
  }

  #take({ credential, expiresAtMs, lookAgainAfterMs = Infinity }: ObtainedCredential, nowMs: number): void {
    const lifetimeMs = expiresAtMs - nowMs;
    if (lifetimeMs <= marginMs) throw new Error("what was obtained has already ended; check the clock of this machine");
    // The same secret stays the same object.
    if (credential.reveal() !== this.#credential?.reveal()) this.#credential = credential;
    this.#goodUntilMs = expiresAtMs - marginMs;
    this.#renewAtMs = Math.min(expiresAtMs - Math.min(renewAheadMs, lifetimeMs / 4), nowMs + lookAgainAfterMs);
    this.#waitFromMs = nowMs + 2 * lookAgainAfterMs;
    this.#pauseMs = Math.min(longestPauseMs, lookAgainAfterMs);
  }
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
