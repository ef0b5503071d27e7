/**
 * Owns how much money a call counts for against rate limits: an estimate before it, its price after it. In billionths of a US dollar, as
 * whole numbers: a window has at most a million dollars, so they stay exact.
 */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { mostNanos, priceBound, priceUsage, type Bound, type BoundRates } from "../budget/bound.ts";
import type { OperationName } from "../targets/capability.ts";
import { lazyValue } from "../lazy-value.ts";
import type { Target } from "../targets/plan.ts";
import type { TokenCount } from "./token-estimate.ts";

export interface Spending {
  /** Of so many tokens, at the target that was to be asked first when this was asked first; nothing where it has no price. Throws DEPENDENCY_UNAVAILABLE while no prices are known. */
  before(tokens: TokenCount): number;
  /** Undefined where a part of it has no price. */
  after(usage: Usage, target: Target): number | undefined;
}

export interface SpendingCall {
  readonly operation: OperationName;
  boundAt(target: Target): Bound;
}

export function spendingOf(call: SpendingCall, firstTarget: () => Target, ratesAt: (target: Target) => BoundRates): Spending {
  // Where the route has changed when the call ends, it is still what was estimated that is corrected.
  const estimatedAt = lazyValue(firstTarget);
  return {
    before(tokens) {
      const target = estimatedAt();
      const nanos = nanosOf(call, tokens, target, ratesAt(target)) ?? 0n;
      return Number(nanos < mostNanos ? nanos : mostNanos);
    },
    after(usage, target) {
      const nanos = priceUsage(usage, ratesAt(target));
      return nanos === undefined ? undefined : Number(nanos);
    },
  };
}

/** What so many tokens would cost at the target, about; undefined where they have no price or no bound, or no prices are known yet. */
export function estimatedNanos(call: SpendingCall, tokens: TokenCount, target: Target, rates: () => BoundRates): bigint | undefined {
  return whereKnown(() => nanosOf(call, tokens, target, rates()));
}

/** What has no price or no bound is counted when it is known. */
function nanosOf(call: SpendingCall, { input, output }: TokenCount, target: Target, rates: BoundRates): bigint | undefined {
  if (call.operation !== "generate") return whereKnown(() => priceBound(call.boundAt(target), rates, target.name).nanos);
  const quantities = [{ meter: Meter.INPUT_TOKENS, quantity: BigInt(input) }, { meter: Meter.OUTPUT_TOKENS, quantity: BigInt(output) }];
  return priceUsage(create(UsageSchema, { quantities }), rates);
}

function whereKnown(priced: () => bigint | undefined): bigint | undefined {
  try {
    return priced();
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}
