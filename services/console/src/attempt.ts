/** Owns the words for what became of an attempt. */
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { UsageSource, type MeterQuantity } from "#gen/weir/types/v1/usage_pb.ts";
import { milliseconds, shortCount } from "./format/number.ts";

export type Tone = "good" | "bad" | "near" | "still";

interface ResultWords {
  readonly title: string;
  readonly tone: Tone;
}

const results: Readonly<Record<number, ResultWords>> = {
  [AttemptResult.SUCCEEDED]: { title: "succeeded", tone: "good" },
  [AttemptResult.FAILED]: { title: "failed", tone: "bad" },
  [AttemptResult.CANCELLED]: { title: "cancelled", tone: "still" },
  [AttemptResult.INTERRUPTED]: { title: "interrupted", tone: "bad" },
  [AttemptResult.ORPHANED]: { title: "end not seen", tone: "near" },
  [AttemptResult.NOT_SENT]: { title: "not sent", tone: "still" },
};

const sources: Readonly<Record<number, string>> = {
  [UsageSource.ORPHANED]: "its bound, as its end was never seen",
  [UsageSource.ESTIMATED]: "counted by Weir",
  [UsageSource.PROVIDER]: "reported by the vendor",
  [UsageSource.IMPORTED]: "from the vendor's invoice",
};

export function resultOf({ event }: Attempt): ResultWords {
  return results[event?.outcome?.result ?? 0] ?? { title: "not known", tone: "still" };
}

export function sourceOf({ event }: Attempt): string {
  return sources[event?.outcome?.usage?.source ?? 0] ?? "not reported";
}

/** By `inputTokens` or `outputTokens`; a dash where nothing was reported. */
export function tokensOf({ event }: Attempt, sum: (quantities: readonly MeterQuantity[]) => bigint): string {
  const usage = event?.outcome?.usage;
  return usage === undefined ? "–" : shortCount(sum(usage.quantities));
}

/** A dash where its end was not seen. */
export function latencyOf({ event }: Attempt): string {
  const { result, durationMs } = event?.outcome ?? {};
  return milliseconds(result === AttemptResult.ORPHANED ? undefined : durationMs);
}

/** `provider/model`, as callers name it. */
export function targetOf({ event }: Attempt): string {
  return `${event?.intent?.provider}/${event?.intent?.model}`;
}
