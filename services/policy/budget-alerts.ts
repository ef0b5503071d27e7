/** Owns that reached shares of limits become alerts: noted in the transaction that reaches them, and announced when it has ended. */
import type { Queryable } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import type { AlertDestination } from "./domain/alert-destination.ts";
import { addDeliveries } from "./store/alert-deliveries.ts";
import { noteCrossingsOfBudgets, noteCrossingsOfLeases, type Crossing } from "./store/budget-crossings.ts";

export interface BudgetAlertsDependencies {
  readonly destinations: { readonly all: readonly AlertDestination[] };
  /** Told when there are some to be delivered. */
  readonly courier: { ring(): void };
  readonly logger: Logger;
}

export class BudgetAlerts {
  readonly #dependencies: BudgetAlertsDependencies;

  constructor(dependencies: BudgetAlertsDependencies) {
    this.#dependencies = dependencies;
  }

  /** What was posted to leases may have reached. */
  async noteOfLeases(transaction: Queryable, leaseIds: readonly string[]): Promise<Crossing[]> {
    return this.#addDeliveries(transaction, await noteCrossingsOfLeases(transaction, leaseIds));
  }

  /** What a limit that was changed may have brought within reach: when all is spent by it, nothing is posted any more that would tell. */
  async noteOfBudgets(transaction: Queryable, budgetIds: readonly string[]): Promise<Crossing[]> {
    return this.#addDeliveries(transaction, await noteCrossingsOfBudgets(transaction, budgetIds));
  }

  announce(crossings: readonly Crossing[]): void {
    const { courier, logger } = this.#dependencies;
    if (crossings.length > 0) courier.ring();
    for (const crossing of crossings) logger.warn(crossing, "a budget has reached a share of its limit");
  }

  async #addDeliveries(transaction: Queryable, crossings: Crossing[]): Promise<Crossing[]> {
    await addDeliveries(transaction, crossings, this.#dependencies.destinations.all);
    return crossings;
  }
}
