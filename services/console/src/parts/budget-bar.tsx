/** Owns the bar of a budget: what is spent, what is held, and what is left. */
import type { ReactNode } from "react";
import type { Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { budgetUse } from "../budget-use.ts";
import { dollars, exactDollars, permille } from "../format/money.ts";
import { percent } from "../format/number.ts";

/** Nothing where the budget's use is not told. */
export function BudgetBar({ budget }: { readonly budget: Budget }): ReactNode {
  const use = budgetUse(budget);
  if (use === undefined) return null;
  const { spentNanos, heldNanos, limitNanos, ofAllNanos } = use;
  const spent = permille(spentNanos, limitNanos);
  const held = Math.min(permille(heldNanos, limitNanos), Math.max(0, 1_000 - spent));
  const words = `${dollars(spentNanos)} of ${dollars(limitNanos)}`;
  const title = `${exactDollars(spentNanos)} spent, ${exactDollars(heldNanos)} held for calls under way, of ${exactDollars(limitNanos)}`;
  return (
    <div className="usage-bar" title={ofAllNanos === undefined ? title : `The value that has used the most: ${exactDollars(spentNanos)} of ${exactDollars(limitNanos)}. All: ${exactDollars(ofAllNanos)} spent`}>
      <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label={`${percent(spent)} spent`}>
        <rect className="bar-ground" width="1000" height="10" />
        <rect className={spent >= 1_000 ? "bar-over" : spent >= 800 ? "bar-near" : "bar-spent"} width={Math.min(spent, 1_000)} height="10" />
        <rect className="bar-held" x={spent} width={held} height="10" />
      </svg>
      <span>
        <span className="number">{percent(spent)}</span> · {words}
        {ofAllNanos !== undefined && ` at most · ${dollars(ofAllNanos)} in all`}
        {heldNanos > 0n && ` · ${dollars(heldNanos)} held`}
      </span>
    </div>
  );
}
