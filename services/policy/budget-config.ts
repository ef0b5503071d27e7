/** Owns what policy takes from the configuration about budgets, with every default. */
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Budget } from "#gen/weir/config/v1/budget_pb.ts";
import { BudgetEnforcement, BudgetPeriod, BudgetShortage, BudgetSubjectSchema } from "#gen/weir/policy/v1/budget_pb.ts";
import { inField, refuseRepeated } from "#platform/config-file/faults.ts";
import { itemPath } from "#platform/config-file/field-path.ts";
import { checkBudget } from "./domain/budget-terms.ts";
import type { ConfiguredBudget } from "./store/configured-budgets.ts";

const periods: Readonly<Record<string, BudgetPeriod>> = { "": BudgetPeriod.MONTH, day: BudgetPeriod.DAY, week: BudgetPeriod.WEEK, month: BudgetPeriod.MONTH, total: BudgetPeriod.TOTAL };
const shortages: Readonly<Record<string, BudgetShortage>> = { "": BudgetShortage.REFUSE, refuse: BudgetShortage.REFUSE, clamp: BudgetShortage.CLAMP, wait: BudgetShortage.WAIT };

/** Throws INVALID_REQUEST when a name stands twice in an organization, or what a budget says cannot be. */
export function readBudgetConfig(budgets: readonly Budget[]): ConfiguredBudget[] {
  const read = budgets.map((budget, index) => inField(itemPath("budgets", index), () => readBudget(budget)));
  refuseRepeated("budgets", read.map(({ organization, name }) => `"${name}" of the organization "${organization}"`), (name) => `two are called ${name}. Give each a name of its own.`);
  return read;
}

function readBudget({ name, organization, team, keyId, memberId, label, limit, per, rollingWindow, timeZone, soft, shortage, alertPercents }: Budget): ConfiguredBudget {
  const equals = label.indexOf("=");
  const subject = create(BudgetSubjectSchema, { keyId, memberId, ...(equals > 0 && { labelName: label.slice(0, equals), labelValue: label.slice(equals + 1) }) });
  const period = rollingWindow === undefined ? periods[per]! : BudgetPeriod.ROLLING;
  checkBudget({ period, rollingWindow, timeZone, subject });
  return {
    name,
    organization: organization || "default",
    team,
    subject,
    limitNanos: nanosOf(limit),
    period,
    rollingWindowMs: rollingWindow === undefined ? 0 : durationMs(rollingWindow),
    timeZone: timeZone || "UTC",
    enforcement: soft ? BudgetEnforcement.SOFT : BudgetEnforcement.HARD,
    shortage: shortages[shortage]!,
    alertPercents,
  };
}

function nanosOf(dollars: string): bigint {
  const [whole, fraction = ""] = dollars.split(".");
  return BigInt(whole + fraction.padEnd(9, "0"));
}
