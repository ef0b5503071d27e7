/** Owns the reservation of an attempt: its bound at the target, drawn before it begins, and given back as far as it turns out not to be spent. */
import { create } from "@bufbuild/protobuf";
import { WarningSchema, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { recordWait } from "#platform/tracing/span.ts";
import type { Target } from "../targets/plan.ts";
import { clampBound, priceBound, priceLeast, priceUsage, type Bound, type BoundRates, type PricedBound } from "./bound.ts";
import type { Hold, HoldContext, HoldSource, Need } from "./hold.ts";

/** What reservations are made with. */
export interface Budgets {
  readonly holds: HoldSource;
  /** What calls of the organization to the target cost at most, or batches of them. */
  readonly rates: (target: Target, organizationId: string, isBatch: boolean) => BoundRates;
}

export interface Reservation {
  readonly hold: Hold;
  readonly rates: BoundRates;
  readonly warnings: readonly Warning[];
}

/** Undefined where the attempt costs nothing, or no budget applies to it after all. Throws UNPRICED_MODEL, UNBOUNDED_COST, and what `hold` throws. */
export async function reserve(boundAt: (target: Target) => Bound, isBatch: boolean, target: Target, context: HoldContext, budgets: Budgets): Promise<Reservation | undefined> {
  const rates = budgets.rates(target, context.grant.organizationId, isBatch);
  const need = await needWhereBudgeted(() => needOf(boundAt(target), rates, target), context, budgets);
  if (need === undefined || need.bound.nanos === 0n) return undefined;
  const hold = await recordWait(context.span, "wait for budgets", budgets.holds.hold(need, context));
  return { hold, rates, warnings: warningsOf(need.bound, hold) };
}

function needOf(bound: Bound, rates: BoundRates, { name }: Target): Need {
  return {
    bound: priceBound(bound, rates, name),
    floorNanos: bound.output === undefined ? 0n : priceLeast(bound, rates, name),
    clamp: (amountNanos) => clampBound(bound, rates, amountNanos, name),
  };
}

const nothing: Need = { bound: { nanos: 0n, outputTokens: undefined }, floorNanos: 0n, clamp: () => undefined };

/** What has no price or no bound is refused only where a budget does apply; undefined where none does. */
async function needWhereBudgeted(readNeed: () => Need, context: HoldContext, { holds }: Budgets): Promise<Need | undefined> {
  try {
    return readNeed();
  } catch (error) {
    if (await isExempt(context, holds)) return undefined;
    throw error;
  }
}

async function isExempt(context: HoldContext, holds: HoldSource): Promise<boolean> {
  try {
    const { leaseId } = await holds.hold(nothing, context);
    return leaseId === "";
  } catch (error) {
    // A budget that has nothing left is one; whether there is one cannot be said while policy is away.
    if (error instanceof GatewayError && error.reason === "BUDGET_EXCEEDED") return false;
    throw error;
  }
}

/** The reply has come to its end. What is not reported stays drawn: the ledger will say. */
export function settleReply({ hold, rates }: Reservation, usage: Usage | undefined): void {
  const spent = usage === undefined ? undefined : priceUsage(usage, rates);
  if (spent !== undefined) hold.spent(spent);
}

/** The attempt has failed, or was not even asked for, without an error of it. All is free again where providers say that nothing is billed. */
export function settleFailure({ hold }: Reservation, error: unknown): void {
  if (error === undefined || (error instanceof GatewayError && error.metadata[billedFact] === "false")) hold.spent(0n);
}

/** Among the facts of an error of providers: whether the vendor bills the attempt. */
const billedFact = "billed";

function warningsOf(asked: PricedBound, { bound, clampedBy }: Hold): readonly Warning[] {
  if (bound.outputTokens === asked.outputTokens) return [];
  const message = `${bound.outputTokens} instead of ${asked.outputTokens}, because no more is left of the budget "${clampedBy}".`;
  return [create(WarningSchema, { field: "max_output_tokens", message })];
}
