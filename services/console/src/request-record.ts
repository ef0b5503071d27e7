/** Owns the words for what became of a request that its attempts do not tell of. */
import { ErrorReason, ErrorReasonSchema } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { RequestOutcome, type GuardrailFinding, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import type { Tone } from "./attempt.ts";

interface OutcomeWords {
  readonly title: string;
  readonly tone: Tone;
}

/** By the word in the page's address. */
export const outcomes: Readonly<Record<string, OutcomeWords & { readonly outcome: RequestOutcome }>> = {
  refused: { outcome: RequestOutcome.REFUSED, title: "refused", tone: "near" },
  failed: { outcome: RequestOutcome.FAILED, title: "failed", tone: "bad" },
  cached: { outcome: RequestOutcome.CACHED, title: "answered by the cache", tone: "good" },
  served: { outcome: RequestOutcome.SERVED, title: "served, with findings", tone: "good" },
};

export function outcomeOf({ outcome }: RequestRecord): OutcomeWords {
  return Object.values(outcomes).find((known) => known.outcome === outcome) ?? { title: "not known", tone: "still" };
}

/** Empty where it was answered. */
export function reasonName(reason: ErrorReason): string {
  return reason === ErrorReason.UNSPECIFIED ? "" : (ErrorReasonSchema.value[reason]?.localName ?? `reason ${reason}`);
}

/** In one sentence. */
export function whyOf({ outcome, errorMessage, findings, passedOver, target }: RequestRecord): string {
  if (errorMessage !== "") return errorMessage;
  if (findings.length > 0) return findings.map(findingOf).join("; ");
  if (outcome === RequestOutcome.CACHED) return `a kept reply of ${target}`;
  return passedOver.map(({ name, reason }) => `${name}: ${reasonName(reason)}`).join("; ");
}

export function findingOf({ rule, mode, detector, side }: GuardrailFinding): string {
  return `${rule} (${mode}) found ${detector} in the ${side}`;
}
