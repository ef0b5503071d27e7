/** Owns what a provider shows its vendor: a secret that is fixed, or one that is obtained for a while and renewed before it ends. */
import { Secret } from "#platform/secret.ts";

export interface CredentialSource {
  /** What is shown; undefined before the first was obtained. The same object as long as it is the same secret. */
  readonly current: Secret | undefined;
  /** Undefined when `current` can be shown; else settles once it can. Rejects with DEPENDENCY_UNAVAILABLE when there is none to be had. */
  prepare(): Promise<void> | undefined;
  /** The vendor did not take it, although its time is not over. */
  refused(credential: Secret): void;
}

/** A secret that stands for an identity for a while, and goes along as a bearer token, also where a key has a header of its own. */
export class AccessToken extends Secret {}

export interface ObtainedCredential {
  readonly credential: Secret;
  /** Milliseconds since 1970; infinite when it has no end. */
  readonly expiresAtMs: number;
}

/** Obtains a credential, at this time. What it throws is for the log and holds no secret. */
export type ObtainCredential = (nowMs: number, signal: AbortSignal) => Promise<ObtainedCredential>;

/** A key that the operator has configured. */
export class FixedCredential implements CredentialSource {
  readonly current: Secret;

  constructor(secret: Secret) {
    this.current = secret;
  }

  prepare(): undefined {
    return undefined;
  }

  refused(): void {
    // There is no other.
  }
}
