/** Owns what a failed attempt means: whether another target may help, and what it says of this target's health. */
import { GatewayError, type Reason } from "#platform/errors.ts";
import type { Health } from "#platform/breaker.ts";

export interface Verdict {
  /** `same-target`: nothing was sent, and a new attempt may find what this one missed. */
  readonly next: "stop" | "next-target" | "same-target";
  readonly health: Health;
}

const stop: Verdict = { next: "stop", health: "unknown" };
const targetFailed: Verdict = { next: "next-target", health: "failed" };
// A vendor that refuses a request works; another target may all the same take it.
const targetRefused: Verdict = { next: "next-target", health: "works" };

const verdicts: Readonly<Partial<Record<Reason, Verdict>>> = {
  UPSTREAM_UNAVAILABLE: targetFailed,
  UPSTREAM_TIMEOUT: targetFailed,
  UPSTREAM_PROTOCOL: targetFailed,
  UPSTREAM_INTERRUPTED: targetFailed,
  UPSTREAM_UNAUTHENTICATED: targetFailed,
  UPSTREAM_RATE_LIMITED: targetRefused,
  // Another target may be cheaper, or known better.
  BUDGET_EXCEEDED: { next: "next-target", health: "unknown" },
  UNPRICED_MODEL: { next: "next-target", health: "unknown" },
  UNBOUNDED_COST: { next: "next-target", health: "unknown" },
  UNSUPPORTED_FIELD: { next: "next-target", health: "unknown" },
  UNSUPPORTED_OPERATION: { next: "next-target", health: "unknown" },
  TARGET_NOT_ALLOWED: { next: "next-target", health: "unknown" },
  // What is wrong with one organization's credential is nothing against the target: the others' calls go on.
  ORGANIZATION_CREDENTIAL_MISSING: { next: "next-target", health: "unknown" },
  ORGANIZATION_CREDENTIAL_REFUSED: targetRefused,
  CIRCUIT_OPEN: { next: "next-target", health: "unknown" },
  // Providers that have just started do not know which ids from before were sent, and refuse them all.
  ATTEMPT_TOO_LATE: { next: "same-target", health: "unknown" },
};

/** The verdict on an error that came before the reply's first byte reached the caller; after it, it is always "stop". */
export function verdictOn(error: unknown): Verdict {
  if (!(error instanceof GatewayError)) return stop;
  if (error.reason === "UPSTREAM_REJECTED") {
    // A model that the vendor does not have is a fault of the target, any other refusal one of the request.
    return error.metadata["status"] === "404" ? targetRefused : { next: "stop", health: "works" };
  }
  // What fails is then how the target is reached, and not Weir itself.
  if (error.reason === "DEPENDENCY_UNAVAILABLE" && error.metadata["dependency"] === "credential") return targetFailed;
  return verdicts[error.reason] ?? stop;
}
