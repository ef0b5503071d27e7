/** Owns what one rate limit means for a call: whether it is for it, whose counter it is, and how much the call takes. */
import type { RateLimit } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { RateLimitUnit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import { limitConditions, readCondition, type CallFacts, type Condition } from "#platform/condition.ts";
import type { TokenCount } from "./token-estimate.ts";

/** A rate limit as it is applied; read once for each change. */
export interface AppliedLimit {
  readonly id: string;
  readonly name: string;
  readonly count: string;
  readonly amount: number;
  /** The amount of what, for people. */
  readonly said: string;
  /** Undefined where it counts what runs at one time. */
  readonly windowMs: number | undefined;
  /** What headers call it; undefined where they have no word for it. */
  readonly unit: RateLimitUnit | undefined;
  readonly where: Condition;
  /** What it counts of a call; undefined where the call has nothing of it. */
  readonly takenBy: (size: CountedSize) => number | undefined;
  /** True where what it takes is an estimate. */
  readonly isEstimated: boolean;
  /** What a call's counter is of, for people and as a key; the organization is always in it. */
  readonly counterOf: (facts: CallFacts) => string;
}

/** What of a call is counted, each read where it is. */
export interface CountedSize {
  readonly isStream: boolean;
  readonly tokens: () => TokenCount;
  /** In billionths of a US dollar. */
  readonly spentNanos: () => number;
}

/** What can be counted: how much a call takes of it, and what headers call it. */
interface Count {
  readonly takenBy: AppliedLimit["takenBy"];
  readonly isEstimated: boolean;
  readonly unit: RateLimitUnit | undefined;
}

const one = (): number => 1;

const counts: Readonly<Record<string, Count>> = {
  requests: { takenBy: one, isEstimated: false, unit: RateLimitUnit.REQUESTS },
  input_tokens: { takenBy: ({ tokens }) => tokens().input, isEstimated: true, unit: RateLimitUnit.INPUT_TOKENS },
  output_tokens: { takenBy: ({ tokens }) => tokens().output, isEstimated: true, unit: RateLimitUnit.OUTPUT_TOKENS },
  tokens: { takenBy: ({ tokens }) => tokens().input + tokens().output, isEstimated: true, unit: RateLimitUnit.TOKENS },
  spend: { takenBy: ({ spentNanos }) => spentNanos(), isEstimated: true, unit: undefined },
  concurrent_requests: { takenBy: one, isEstimated: false, unit: undefined },
  concurrent_streams: { takenBy: ({ isStream }) => (isStream ? 1 : undefined), isEstimated: false, unit: undefined },
};

const windowsMs: Readonly<Record<string, number>> = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Undefined where it counts what this version does not know: policy may be a version ahead. */
export function readRateLimit({ id, rule }: RateLimit): AppliedLimit | undefined {
  const { name, count, amount, window, per, where } = rule!;
  const counted = Object.hasOwn(counts, count) ? counts[count] : undefined;
  if (counted === undefined) return undefined;
  const dimensions = ["organization", ...per.filter((dimension) => dimension !== "organization").sort()];
  return {
    id,
    name,
    count,
    amount: Number(amount),
    said: count === "spend" ? `${Number(amount) / 1e9} US dollars` : `${amount} ${count.replaceAll("_", " ")}`,
    windowMs: windowsMs[window],
    where: conditionOf(where),
    ...counted,
    counterOf: (facts) => dimensions.map((dimension) => `${dimension}=${JSON.stringify(valueOf(dimension, facts))}`).join(" "),
  };
}

// Policy refuses what cannot be used, but may be a version ahead: what this version cannot read holds of every call.
function conditionOf(where: string): Condition {
  try {
    return readCondition(where, limitConditions);
  } catch {
    return () => true;
  }
}

function valueOf(dimension: string, { labels, ...facts }: CallFacts): string {
  if (dimension.startsWith("labels.")) return labels[dimension.slice("labels.".length)] ?? "";
  return facts[dimension as keyof typeof facts];
}
