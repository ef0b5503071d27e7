/** Owns what a caller is told when no target has answered: the failure that says most, and all that were tried. */
import { GatewayError } from "#platform/errors.ts";
import type { Target } from "../targets/plan.ts";
import { verdictOn } from "./verdict.ts";

export interface Failure {
  readonly target: Target;
  readonly error: unknown;
}

export function failureOf(failures: readonly Failure[]): unknown {
  // Why one that may be asked did not answer says more than why others may not.
  const last = failures.findLast(({ error }) => !(error instanceof GatewayError && error.reason === "TARGET_NOT_ALLOWED")) ?? failures.at(-1)!;
  if (failures.length === 1 || !(last.error instanceof GatewayError)) return last.error;
  if (verdictOn(last.error).next !== "next-target") return last.error;
  const tried = failures.map(({ target, error }) => `${target.name}: ${error instanceof Error ? error.message : "failed"}`).join(" ");
  return new GatewayError(last.error.reason, `All ${failures.length} targets failed. ${tried}`, {
    metadata: { ...last.error.metadata, tried: failures.map(({ target }) => target.name).join(",") },
    cause: last.error,
    ...(last.error.retryAfterMs === undefined ? {} : { retryAfterMs: last.error.retryAfterMs }),
  });
}
