/** Owns what may stand as a budget. */
import { BudgetPeriod, type Budget, type BudgetSubject, type CreateBudgetRequest } from "#gen/weir/policy/v1/budget_pb.ts";
import { GatewayError } from "#platform/errors.ts";

/** The label's value that gives each value a budget of its own. */
const eachValue = "*";

/** The names of three letters that mean one zone everywhere. PostgreSQL takes the others for abbreviations: CET without its summer, IST for Israel's time. */
const shortZones: ReadonlySet<string> = new Set(["EST", "GMT", "HST", "MST", "PRC", "ROC", "ROK", "UCT", "UTC"]);

/** Throws INVALID_REQUEST. */
export function checkBudget({ period, rollingWindow, timeZone, subject }: Pick<CreateBudgetRequest, "period" | "rollingWindow" | "timeZone" | "subject">): void {
  if ((period === BudgetPeriod.ROLLING) !== (rollingWindow !== undefined)) {
    throw invalid("rolling_window", "A rolling period has a window, and no other period has one.");
  }
  if (timeZone !== "" && !isTimeZone(timeZone)) throw invalid("time_zone", "A time zone is an IANA name of a place, such as Europe/Berlin; names such as CET stand for several, or for no summer time.");
  const { labelName = "", labelValue = "" } = subject ?? {};
  if ((labelName === "") !== (labelValue === "")) throw invalid("subject.label_value", "A label has a name and a value, or * for each value.");
}

/** Throws INVALID_REQUEST when a value is missing, or given to a budget that has one for all. */
export function checkValue(field: string, subject: BudgetSubject | undefined, labelValue: string): void {
  if ((subject?.labelValue === eachValue) !== (labelValue !== "")) throw invalid(field, "A budget with one for each value of its label needs to know of which, and no other one.");
}

/** Throws INVALID_REQUEST when it is changed elsewhere. */
export function checkChangeable({ name, isConfigured }: Pick<Budget, "name" | "isConfigured">): void {
  if (isConfigured) throw new GatewayError("INVALID_REQUEST", `The budget "${name}" stands in weir.yaml. Change it there, under \`budgets\`, or end it by taking it out.`);
}

function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return false;
  if (name.length === 3 && !shortZones.has(name.toUpperCase())) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function invalid(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${description} Correct \`${field}\` and send it again.`, { fieldViolations: [{ field, description }] });
}
