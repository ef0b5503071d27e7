/** Owns `weir budgets alerts`: who was told that budgets have reached shares of their limits. */
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { AlertDeliveryState, type AlertDelivery, type DeliveredAlert } from "#gen/weir/policy/v1/budget_alert_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { minuteText } from "../terminal/moment.ts";
import { dollars } from "../terminal/nanos.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

type Policy = Client<typeof PolicyService>;

interface ListOptions extends RunningWeirOptions {
  readonly organization?: string;
}

export function addBudgetAlertsCommand(budgets: Command, environment: Environment): void {
  const policyOf = (options: RunningWeirOptions): Promise<Policy> => connect(PolicyService, options, environment);
  const alerts = budgets.command("alerts").description("show who was told that budgets have reached shares of their limits");
  addRunningWeirOptions(alerts.command("list", { isDefault: true }))
    .description("list alerts, newest first, each with where it was delivered")
    .option("--organization <id>", "only those of this organization")
    .action(async (options: ListOptions) => listAlerts(options, await policyOf(options)));
  addRunningWeirOptions(alerts.command("test <destination>"))
    .description("try a webhook of weir.yaml, or nats, now and once; exits with 1 where it takes nothing")
    .action(async (destination: string, options: RunningWeirOptions) => {
      const { problem } = await (await policyOf(options)).testBudgetAlerts({ destination });
      if (problem !== "") process.exitCode = 1;
      console.log(problem === "" ? `${destination} took the alert.` : `${destination} did not take the alert: ${problem}.`);
    });
  addRunningWeirOptions(alerts.command("retry <destination>"))
    .description("deliver what was given up, from the first attempt on")
    .action(async (destination: string, options: RunningWeirOptions) => {
      const { count } = await (await policyOf(options)).retryBudgetAlerts({ destination });
      console.log(`${count} alerts are on their way to ${destination} again.`);
    });
}

async function listAlerts({ organization = "" }: ListOptions, policy: Policy): Promise<void> {
  const alerts = await everyPage((page) => policy.listBudgetAlerts({ ...page, organizationId: organization }), (page) => page.alerts);
  const heads = ["REACHED", "ORGANIZATION", "BUDGET", "VALUE", "PERCENT", "LIMIT", "SPENT", "DELIVERED"];
  console.log(table([heads, ...alerts.map(describeAlert)], [4, 5, 6]).join("\n"));
}

function describeAlert({ alert, deliveries }: DeliveredAlert): string[] {
  const { reachTime, organization, budget, labelValue, percent, limitNanos, postedNanos } = alert!;
  return [minuteText(reachTime), organization, budget, labelValue, String(percent), dollars(limitNanos), dollars(postedNanos), deliveries.map(describeDelivery).join("; ")];
}

function describeDelivery({ destination, state, attempts, nextTime, problem }: AlertDelivery): string {
  if (state === AlertDeliveryState.DELIVERED) return `${destination}: yes`;
  if (state === AlertDeliveryState.GIVEN_UP) return `${destination}: given up after ${attempts} attempts (${problem})`;
  return attempts === 0 ? `${destination}: on its way` : `${destination}: attempt ${attempts + 1} at ${minuteText(nextTime)}${problem && ` (${problem})`}`;
}
