/** Owns the words for what a budget says. */
import { BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";

export const periodTitles: Readonly<Record<number, string>> = {
  [BudgetPeriod.DAY]: "day",
  [BudgetPeriod.WEEK]: "week",
  [BudgetPeriod.MONTH]: "month",
  [BudgetPeriod.ROLLING]: "rolling",
  [BudgetPeriod.TOTAL]: "all time",
};

export const shortageTitles: Readonly<Record<number, string>> = {
  [BudgetShortage.CLAMP]: "clamps",
  [BudgetShortage.WAIT]: "waits",
};
