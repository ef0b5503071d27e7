/** Owns what a provider shows its vendor: a secret that is fixed, or one that is obtained for a while and renewed before it ends. */
import type { GatewayError } from "#platform/errors.ts";
import { Secret } from "#platform/secrets/secret.ts";

export interface CredentialSource {
  /** Of the organization whose calls alone it is for; empty when it is the installation's. */
  readonly organizationId: string;
  /** What the next request shows; undefined before there is one. The same object as long as it is the same secret. */
  choose(): Secret | undefined;
  /** Undefined when there is one to show; else settles once it can. Rejects with DEPENDENCY_UNAVAILABLE, or ORGANIZATION_CREDENTIAL_MISSING, when there is none to be had. */
  prepare(): Promise<void> | undefined;
  /** Why there is none to show, for the operator; undefined while there is one. Where one is obtained, whoever asks this now and then has it tried again. */
  problem(): string | undefined;
  /** The vendor did not take it, although its time is not over. */
  refused(credential: Secret): void;
  /** The vendor limits its rate. */
  limited(credential: Secret, retryAfterMs: number | undefined): void;
  /** The vendor took it, in a request that was sent then, on the monotonic clock. */
  accepted(credential: Secret, sentAtMs: number): void;
  /** Whether there is another one than this that the vendor has not just refused or limited. */
  hasOther(credential: Secret): boolean;
}

/** A secret that stands for an identity for a while, and goes along as a bearer token, also where a key has a header of its own. */
export class AccessToken extends Secret {}

export interface ObtainedCredential {
  readonly credential: Secret;
  /** Milliseconds since 1970; infinite when it has no end. */
  readonly expiresAtMs: number;
  /** Of one that can be replaced at any time: after how long it is looked up again. Those who come after twice as long wait for that. */
  readonly lookAgainAfterMs?: number;
}

/** Obtains a credential, at this time. What it throws is for the log and holds no secret. */
export type ObtainCredential = (nowMs: number, signal: AbortSignal) => Promise<ObtainedCredential>;

/** A key that the operator has configured. */
export class FixedCredential implements CredentialSource {
  readonly organizationId = "";
  readonly #secret: Secret;

  constructor(secret: Secret) {
    this.#secret = secret;
  }

  choose(): Secret {
    return this.#secret;
  }

  prepare(): undefined {
    return undefined;
  }

  problem(): undefined {
    return undefined;
  }

  // There is no other, however the vendor takes it.
  refused(): void {}
  limited(): void {}
  accepted(): void {}
  hasOther(): boolean {
    return false;
  }
}

/** Tells the source that the vendor did not take a request with this credential, where that is why; true where another one may be taken. */
export function credentialFailed(source: CredentialSource, credential: Secret, { reason, metadata, retryAfterMs }: GatewayError): boolean {
  if (reason === "UPSTREAM_UNAUTHENTICATED") source.refused(credential);
  else if (reason === "UPSTREAM_RATE_LIMITED") source.limited(credential, retryAfterMs);
  // The model alone is kept from its account: for others it is as good as before.
  else if (metadata["status"] !== "403" || metadata["code"] !== "model_not_found") return false;
  return source.hasOther(credential);
}

/** Whether an HTTP header carries it. */
export function isSendable(secret: string): boolean {
  return !/[^\x21-\x7e]/.test(secret);
}
