/** Owns `weir budgets`: what may be spent in a running Weir, and what is. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { Option, type Command } from "commander";
import { BudgetEnforcement, BudgetPeriod, BudgetShortage, type Budget, type BudgetSubject, type BudgetUsage } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { minuteText } from "../terminal/moment.ts";
import { dollars, readDollars } from "../terminal/nanos.ts";
import { onlyOrganization } from "../terminal/only-organization.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { SubjectNames, type NameOf } from "../terminal/subject-names.ts";
import { table } from "../terminal/table.ts";
import { addBudgetAlertsCommand } from "./budget-alerts.ts";
import { readSpanMs } from "../terminal/time-span.ts";

type Policy = Client<typeof PolicyService>;

interface OrganizationOption extends RunningWeirOptions {
  readonly organization?: string;
}

interface TermsOptions extends RunningWeirOptions {
  readonly soft?: boolean;
  readonly shortage?: ShortageName;
  readonly alertAt?: readonly number[];
}

interface CreateOptions extends TermsOptions, OrganizationOption {
  readonly limit: bigint;
  readonly per: string;
  readonly timeZone?: string;
  readonly team?: string;
  readonly key?: string;
  readonly member?: string;
  readonly label?: string;
}

interface UpdateOptions extends TermsOptions {
  readonly name?: string;
  readonly limit?: bigint;
}

interface TopUpOptions extends RunningWeirOptions {
  readonly value?: string;
  readonly note?: string;
}

interface TransferOptions extends RunningWeirOptions {
  readonly fromValue?: string;
  readonly toValue?: string;
  readonly note?: string;
}

const periods = { day: BudgetPeriod.DAY, week: BudgetPeriod.WEEK, month: BudgetPeriod.MONTH, total: BudgetPeriod.TOTAL } as const;
const shortages = { refuse: BudgetShortage.REFUSE, clamp: BudgetShortage.CLAMP, wait: BudgetShortage.WAIT } as const;
type ShortageName = keyof typeof shortages;

export function addBudgetsCommand(program: Command, environment: Environment): void {
  const policyOf = (options: RunningWeirOptions): Promise<Policy> => connect(PolicyService, options, environment);
  const budgets = program.command("budgets").description("create, list, change, end, top up, transfer and check budgets");
  addTermsOptions(addOrganizationOption(budgets.command("create <name>")))
    .description("create a budget: of the whole organization, or of what --team, --key, --member and --label say")
    .requiredOption("--limit <dollars>", "what may be spent in a period", readDollars)
    .option("--per <period>", "day, week, month, total, or a rolling time such as 24h", "month")
    .option("--time-zone <name>", "where its days begin, such as Europe/Berlin (default: UTC)")
    .option("--team <id>", "only calls of this team")
    .option("--key <id>", "only calls of this key")
    .option("--member <id>", "only calls of this member's keys")
    .option("--label <name=value>", "only calls with this label; name=* gives each value a budget of its own")
    .action(async (name: string, options: CreateOptions) => createBudget(name, options, await policyOf(options)));
  addOrganizationOption(budgets.command("list"))
    .description("list budgets by name, with what is spent, held and left of their current periods")
    .action(async (options: OrganizationOption) => listBudgets(options, await policyOf(options)));
  addRunningWeirOptions(budgets.command("usage <id>"))
    .description("list a budget's periods, newest first, with each value of its label")
    .action(async (budgetId: string, options: RunningWeirOptions) => listUsage(budgetId, await policyOf(options)));
  addTermsOptions(addRunningWeirOptions(budgets.command("update <id>")))
    .description("change a budget; what is left out stays")
    .option("--name <name>", "its new name")
    .option("--limit <dollars>", "what may be spent in a period, the current one included", readDollars)
    .option("--hard", "bound what is spent again")
    .action(async (budgetId: string, options: UpdateOptions & { readonly hard?: true }) => updateBudget(budgetId, options, await policyOf(options)));
  addRunningWeirOptions(budgets.command("delete <id>"))
    .description("end a budget; what it counted stays on record")
    .action(async (budgetId: string, options: RunningWeirOptions) => {
      await (await policyOf(options)).deleteBudget({ budgetId });
      console.log(`Ended ${budgetId}.`);
    });
  addRunningWeirOptions(budgets.command("top-up <id> <dollars>"))
    .description("add to the limit of a budget's current period")
    .option("--value <value>", "of which value of its label, for budgets that have one for each")
    .option("--note <text>", "why, for the record")
    .action(async (budgetId: string, amount: string, { value = "", note = "", ...options }: TopUpOptions) => {
      const { usage } = await (await policyOf(options)).topUpBudget({ budgetId, labelValue: value, amountNanos: readDollars(amount), note });
      console.log(`${budgetId} has ${dollars(usage!.headroomNanos)} of ${dollars(usage!.limitNanos)} dollars left.`);
    });
  addRunningWeirOptions(budgets.command("transfer <from-id> <to-id> <dollars>"))
    .description("move what is left of one budget's current period to another's")
    .option("--from-value <value>", "of which value of the first one's label")
    .option("--to-value <value>", "of which value of the second one's label")
    .option("--note <text>", "why, for the record")
    .action(async (fromBudgetId: string, toBudgetId: string, amount: string, { fromValue = "", toValue = "", note = "", ...options }: TransferOptions) => {
      const { from, to } = await (await policyOf(options)).transferBudget({ fromBudgetId, fromLabelValue: fromValue, toBudgetId, toLabelValue: toValue, amountNanos: readDollars(amount), note });
      console.log(`${fromBudgetId} has ${dollars(from!.headroomNanos)} dollars left, ${toBudgetId} has ${dollars(to!.headroomNanos)}.`);
    });
  addBudgetAlertsCommand(budgets, environment);
  addRunningWeirOptions(budgets.command("check"))
    .description("compare what budgets have counted with the sums of their leases, and these with the ledger; exits with 1 where they differ")
    .action(async (options: RunningWeirOptions) => checkBudgets(await policyOf(options)));
}

function addOrganizationOption(command: Command): Command {
  return addRunningWeirOptions(command).option("--organization <id>", "the organization (to be named where the key reaches several)");
}

function addTermsOptions(command: Command): Command {
  return command
    .option("--soft", "bound nothing, only count")
    .addOption(new Option("--shortage <what>", "what becomes of calls that could cost more than is left").choices(Object.keys(shortages)))
    .option("--alert-at <percent>", "note in the usage and the log when so much of the limit is spent; repeat for more", collectPercents);
}

async function createBudget(name: string, options: CreateOptions, policy: Policy): Promise<void> {
  const { organization = await onlyOrganization(policy), limit, per, timeZone = "", team = "", key = "", member = "", label } = options;
  const [labelName = "", labelValue = ""] = label === undefined ? [] : readLabel(label);
  if (!Object.hasOwn(periods, per) && !/^\d/.test(per)) throw new GatewayError("INVALID_REQUEST", `--per ${per}: write ${Object.keys(periods).join(", ")}, or a rolling time such as 24h.`);
  const period = Object.hasOwn(periods, per) ? periods[per as keyof typeof periods] : BudgetPeriod.ROLLING;
  const { budget } = await policy.createBudget({
    organizationId: organization,
    name,
    subject: { teamId: team, keyId: key, memberId: member, labelName, labelValue },
    limitNanos: limit,
    period,
    ...(period === BudgetPeriod.ROLLING && { rollingWindow: durationFromMs(readSpanMs(per, "--per")) }),
    timeZone,
    ...termsOf(options),
  });
  console.log(`Created ${budget!.id}.`);
}

async function updateBudget(budgetId: string, options: UpdateOptions & { readonly hard?: true }, policy: Policy): Promise<void> {
  const { name, limit, soft, hard, shortage, alertAt } = options;
  const paths = [
    ...(name === undefined ? [] : ["name"]),
    ...(limit === undefined ? [] : ["limit_nanos"]),
    ...(soft === undefined && hard === undefined ? [] : ["enforcement"]),
    ...(shortage === undefined ? [] : ["shortage"]),
    ...(alertAt === undefined ? [] : ["alert_percents"]),
  ];
  if (paths.length === 0) throw new GatewayError("INVALID_REQUEST", "Say what to change; `weir budgets update --help` lists what can be.");
  const { budget } = await policy.updateBudget({ budgetId, updateMask: { paths }, name: name ?? "", limitNanos: limit ?? 0n, ...termsOf(options) });
  console.log(`Changed ${budget!.id} (${budget!.name}).`);
}

function termsOf({ soft, shortage, alertAt }: TermsOptions) {
  return {
    enforcement: soft === true ? BudgetEnforcement.SOFT : BudgetEnforcement.HARD,
    shortage: shortage === undefined ? BudgetShortage.UNSPECIFIED : shortages[shortage],
    alertPercents: [...(alertAt ?? [])],
  };
}

async function listBudgets({ organization = "" }: OrganizationOption, policy: Policy): Promise<void> {
  const budgets = await everyPage((page) => policy.listBudgets({ ...page, organizationId: organization }), (page) => page.budgets);
  const heads = ["ID", "NAME", "OF", "PER", "KIND", "LIMIT", "SPENT", "HELD", "LEFT", "UNTIL"];
  const nameOf = await new SubjectNames(policy).of(budgets.flatMap(({ subject }) => [subject?.teamId ?? "", subject?.keyId ?? ""]));
  console.log(table([heads, ...budgets.map((budget) => describeBudget(budget, nameOf))], [5, 6, 7, 8]).join("\n"));
}

function describeBudget({ id, name, subject, period, rollingWindow, enforcement, isConfigured, usage }: Budget, nameOf: NameOf): string[] {
  const per = period === BudgetPeriod.ROLLING ? `${Number(rollingWindow!.seconds) / 3_600}h` : (Object.entries(periods).find(([, value]) => value === period)?.[0] ?? "");
  return [id, name, describeSubject(subject, nameOf), per, `${enforcement === BudgetEnforcement.SOFT ? "soft" : "hard"}${isConfigured ? " (weir.yaml)" : ""}`, ...amountsOf(usage!), minuteText(usage!.endTime)];
}

function describeSubject({ teamId = "", keyId = "", memberId = "", labelName = "", labelValue = "" }: Partial<BudgetSubject> = {}, nameOf: NameOf): string {
  return [teamId, nameOf(teamId), keyId, nameOf(keyId), memberId, labelName && `${labelName}=${labelValue}`].filter((part) => part !== "").join(" ") || "all";
}

async function listUsage(budgetId: string, policy: Policy): Promise<void> {
  const usage = await everyPage((page) => policy.listBudgetUsage({ ...page, budgetId }), (page) => page.usage);
  const rows = usage.map((each) => [each.labelValue, minuteText(each.startTime), minuteText(each.endTime), ...amountsOf(each), each.reachedPercents.map((percent) => `${percent} %`).join(", ")]);
  console.log(table([["VALUE", "FROM", "UNTIL", "LIMIT", "SPENT", "HELD", "LEFT", "REACHED"], ...rows], [3, 4, 5, 6]).join("\n"));
}

async function checkBudgets(policy: Policy): Promise<void> {
  const { checkedPeriods, differences, checkedLeases, leaseDifferences } = await policy.checkBudgets({});
  if (differences.length > 0) {
    const rows = differences.map((each) => [each.budgetId, each.labelValue, minuteText(each.startTime), ...[each.postedNanos, each.leasePostedNanos, each.heldNanos, each.leaseHeldNanos].map(dollars)]);
    console.log(table([["BUDGET", "VALUE", "FROM", "SPENT", "BY LEASES", "HELD", "BY LEASES"], ...rows], [3, 4, 5, 6]).join("\n"));
  }
  if (leaseDifferences.length > 0) {
    const rows = leaseDifferences.map((each) => [each.leaseId, each.organizationId, dollars(each.postedNanos), dollars(each.ledgerNanos)]);
    console.log(table([["LEASE", "ORGANIZATION", "SPENT", "IN THE LEDGER"], ...rows], [2, 3]).join("\n"));
  }
  const found = differences.length + leaseDifferences.length;
  if (found > 0) process.exitCode = 1;
  console.log(`${checkedPeriods} periods and ${checkedLeases} leases checked, ${found === 0 ? "no difference" : `${found} differences`}.`);
}

function amountsOf({ limitNanos, postedNanos, heldNanos, headroomNanos }: BudgetUsage): string[] {
  return [limitNanos, postedNanos, heldNanos, headroomNanos].map(dollars);
}

function readLabel(text: string): [name: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new GatewayError("INVALID_REQUEST", `--label ${text}: write name=value, or name=* for each value.`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function collectPercents(text: string, former: readonly number[] | undefined): readonly number[] {
  return [...(former ?? []), readPercent(text)];
}

function readPercent(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new GatewayError("INVALID_REQUEST", `--alert-at ${text}: write a percent, such as 80.`);
  return Number(text);
}
