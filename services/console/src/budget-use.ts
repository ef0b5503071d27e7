/** Owns how much of a budget's limit is used: of a budget with one for each value of a label, by the value that has used the most. */
import type { Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { permille } from "./format/money.ts";

export interface BudgetUse {
  readonly limitNanos: bigint;
  /** With what is held, where it is of a value. */
  readonly spentNanos: bigint;
  readonly heldNanos: bigint;
  /** Of such a budget, what all values have spent: there is a limit for each, and none for this. */
  readonly ofAllNanos?: bigint;
}

/** Undefined when its use is not told. */
export function budgetUse({ subject, usage }: Pick<Budget, "subject" | "usage">): BudgetUse | undefined {
  if (usage === undefined) return undefined;
  const { limitNanos, postedNanos, heldNanos, headroomNanos } = usage;
  if (subject?.labelValue !== "*") return { limitNanos, spentNanos: postedNanos, heldNanos };
  return { limitNanos, spentNanos: limitNanos > headroomNanos ? limitNanos - headroomNanos : 0n, heldNanos: 0n, ofAllNanos: postedNanos };
}

/** Tenths of a percent that are spent or held. */
export function fullness(budget: Pick<Budget, "subject" | "usage">): number {
  const use = budgetUse(budget);
  return use === undefined ? 0 : permille(use.spentNanos + use.heldNanos, use.limitNanos);
}
