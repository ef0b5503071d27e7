/** Owns that the budgets of the configuration file are in force: brought into the table at the start, and after each change of them. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import { newId } from "#platform/ids.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { BudgetAlerts } from "./budget-alerts.ts";
import type { PolicyConfig } from "./config.ts";
import { Bell } from "./store/bell.ts";
import { applyConfiguredBudgets } from "./store/configured-budgets.ts";

export interface ConfiguredBudgetsDependencies {
  readonly database: Database;
  readonly config: LiveValue<PolicyConfig>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alerts: BudgetAlerts;
  /** Told when what holders have of an organization's budgets was taken by others than stand now. */
  readonly onChanged: (organizationId: string) => Promise<void>;
}

const retryMs = 1_000;
const longestRetryMs = 60_000;

/**
 * Several processes may follow the same file: what stands already is left alone. One whose file has not changed says nothing, so that while
 * a change is on its way to all of them, the last one to take it over has the last word.
 */
export function followConfiguredBudgets({ database, config, clock, logger, alerts, onChanged }: ConfiguredBudgetsDependencies): { stop(): Promise<void> } {
  const bell = new Bell();
  let isStopping = false;
  let wanted = config.current.budgets;
  const unsubscribe = config.subscribe(({ budgets }) => {
    if (isDeepStrictEqual(budgets, wanted)) return;
    wanted = budgets;
    bell.ring();
  });
  const running = run();
  return {
    async stop() {
      isStopping = true;
      unsubscribe();
      bell.ring();
      await running;
    },
  };

  async function run(): Promise<void> {
    for (let delayMs = retryMs; !isStopping; ) {
      const isApplied = await apply();
      const isRung = await bell.wait(isApplied ? undefined : delayMs);
      delayMs = isRung || isApplied ? retryMs : Math.min(delayMs * 2, longestRetryMs);
    }
  }

  async function apply(): Promise<boolean> {
    try {
      const { organizationIds, problems, crossings } = await database.transaction(async (transaction) => {
        const { changedIds, ...outcome } = await applyConfiguredBudgets(transaction, wanted, () => newId("bud", clock));
        return { ...outcome, crossings: await alerts.noteOfBudgets(transaction, changedIds) };
      });
      alerts.announce(crossings);
      for (const organizationId of organizationIds) await onChanged(organizationId);
      for (const [budget, error] of problems) logger.warn({ budget, error }, "a budget of the configuration file cannot be in force yet; it is tried again");
      return problems.size === 0;
    } catch (error) {
      logger.warn({ error }, "the budgets of the configuration file cannot be brought into force; those that are stay so, and it is tried again");
      return false;
    }
  }
}
