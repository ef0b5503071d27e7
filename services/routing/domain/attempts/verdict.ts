/** Owns what a failed attempt means: whether another target may help, or the same one in a while, and what it says of this target's health. */
import { GatewayError, type Reason } from "#platform/errors.ts";
import type { Health } from "#platform/breaker.ts";

export interface Verdict {
  readonly next: "stop" | "next-target";
  readonly health: Health;
  /** The target may do in a while what it did not do now. */
  readonly mayPass: boolean;
  /** So many further attempts at the target are worth it at once. */
  readonly othersAtOnce: number;
}

/** Of a provider that has many, most of them limited, a call tries no more. */
const mostOtherCredentials = 3;

const stop: Verdict = { next: "stop", health: "unknown", mayPass: false, othersAtOnce: 0 };
const targetFailed: Verdict = { ...stop, next: "next-target", health: "failed" };
const targetFailedNow: Verdict = { ...targetFailed, mayPass: true };
// A vendor that refuses a request works; another target may all the same take it.
const targetRefused: Verdict = { ...stop, next: "next-target", health: "works" };
const targetUnasked: Verdict = { ...stop, next: "next-target" };

const verdicts: Readonly<Partial<Record<Reason, Verdict>>> = {
  UPSTREAM_UNAVAILABLE: targetFailedNow,
  UPSTREAM_TIMEOUT: targetFailedNow,
  UPSTREAM_PROTOCOL: targetFailed,
  UPSTREAM_INTERRUPTED: targetFailedNow,
  UPSTREAM_UNAUTHENTICATED: targetFailed,
  UPSTREAM_RATE_LIMITED: { ...targetRefused, mayPass: true },
  // Another target may be cheaper, or known better.
  BUDGET_EXCEEDED: targetUnasked,
  UNPRICED_MODEL: targetUnasked,
  UNBOUNDED_COST: targetUnasked,
  UNSUPPORTED_FIELD: targetUnasked,
  UNSUPPORTED_OPERATION: targetUnasked,
  TARGET_NOT_ALLOWED: targetUnasked,
  // What is wrong with one organization's credential is nothing against the target: the others' calls go on.
  ORGANIZATION_CREDENTIAL_MISSING: targetUnasked,
  ORGANIZATION_CREDENTIAL_REFUSED: targetRefused,
  CIRCUIT_OPEN: targetUnasked,
  // Providers that have just started do not know which ids from before were sent, and refuse them all.
  ATTEMPT_TOO_LATE: { ...stop, othersAtOnce: 1 },
};

/** Whether providers know the target no more, or not yet: routing follows them a moment behind, and each process reads a changed configuration by itself. */
export function isUnknownTarget(error: unknown): boolean {
  return error instanceof GatewayError && error.metadata["unknown_target"] === "true";
}

/** The verdict on an error that came before the reply's first byte reached the caller; after it, it is always "stop". */
export function verdictOn(error: unknown): Verdict {
  if (!(error instanceof GatewayError)) return stop;
  const verdict = verdictOnReason(error);
  // The vendor did not take one of the provider's credentials, and there is another.
  return error.metadata["another_credential"] === "true" ? { ...verdict, health: "works", othersAtOnce: mostOtherCredentials } : verdict;
}

function verdictOnReason(error: GatewayError): Verdict {
  if (isUnknownTarget(error)) return targetUnasked;
  if (error.reason === "UPSTREAM_REJECTED") {
    // A model that the vendor does not have is a fault of the target, and another may take a longer text; any other refusal is one of the request.
    const { status, code, too_long: tooLong } = error.metadata;
    return status === "404" || code === "model_not_found" || tooLong === "true" ? targetRefused : { ...stop, health: "works" };
  }
  if (error.reason === "UPSTREAM_RATE_LIMITED" && isUsedUp(error)) return targetRefused;
  // What fails is then how the target is reached, and not Weir itself.
  if (error.reason === "DEPENDENCY_UNAVAILABLE" && error.metadata["dependency"] === "credential") return targetFailed;
  return verdicts[error.reason] ?? stop;
}

/** Not a limit on the rate: the account at the vendor has nothing left until somebody pays. */
function isUsedUp({ metadata: { status, code, type } }: GatewayError): boolean {
  return status === "402" || code === "insufficient_quota" || type === "insufficient_quota";
}
