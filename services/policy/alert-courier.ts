/** Owns delivering alerts until each is taken or given up: each destination at its own pace, so that none waits for another. */
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import type { AlertDestinations } from "./alert-destinations.ts";
import { retryDelayMs, Undelivered } from "./domain/alert-destination.ts";
import { alertMessage } from "./domain/alert-message.ts";
import { abandonDeliveries, claimDeliveries, returnDelivery, settleDelivery, type DueDelivery } from "./store/alert-deliveries.ts";
import { Bell } from "./store/bell.ts";

export interface AlertCourierDependencies {
  readonly database: Database;
  readonly destinations: Pick<AlertDestinations, "all" | "send">;
  readonly logger: Logger;
  readonly metrics: Registry;
}

/** How often is looked for what is due, or was left by a process that died. */
const lookEveryMs = 5_000;
const deliveriesAtOnce = 4;
/** Longer than any attempt takes. */
const aloneMs = 60_000;

/** Several processes share the work: what one has taken, the others pass over. */
export class AlertCourier {
  readonly #dependencies: AlertCourierDependencies;
  readonly #outcomes: Counter<"destination" | "outcome">;
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #finished: Promise<void>;

  constructor(dependencies: AlertCourierDependencies) {
    this.#dependencies = dependencies;
    this.#outcomes = new Counter({
      name: "weir_alert_deliveries_total",
      help: "Attempts to deliver alerts of budgets, by destination and outcome: delivered, failed (and tried again), given_up.",
      labelNames: ["destination", "outcome"],
      registers: [dependencies.metrics],
    });
    this.#finished = this.#run();
  }

  /** There is something to deliver. */
  ring(): void {
    this.#bell.ring();
  }

  /** Cuts what is under way, which is delivered by another process or at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#bell.ring();
    await this.#finished;
  }

  async #run(): Promise<void> {
    const { database, destinations, logger } = this.#dependencies;
    while (!this.#stopping.signal.aborted) {
      const names = destinations.all.map(({ name }) => name);
      for (const name of names) this.#begin(name);
      try {
        for (const destination of await abandonDeliveries(database, names)) {
          this.#outcomes.inc({ destination, outcome: "given_up" });
          logger.error({ destination }, "an alert of a budget was given up: the configuration has no such destination");
        }
      } catch (error) {
        logger.warn({ error }, "alerts of budgets cannot be looked for; it is tried again");
      }
      await this.#bell.wait(lookEveryMs);
    }
    await Promise.all(this.#busy.values());
  }

  #begin(destination: string): void {
    if (this.#busy.has(destination)) return;
    const work = this.#deliverDue(destination)
      .catch((error: unknown) => this.#dependencies.logger.warn({ destination, error }, "alerts of budgets cannot be taken from the database, or their delivery not be noted; it is tried again"))
      .finally(() => this.#busy.delete(destination));
    this.#busy.set(destination, work);
  }

  async #deliverDue(destination: string): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const due = await claimDeliveries(this.#dependencies.database, destination, deliveriesAtOnce, aloneMs);
      if (due.length === 0) return;
      await Promise.all(due.map((delivery) => this.#deliver(delivery)));
    }
  }

  async #deliver(delivery: DueDelivery): Promise<void> {
    const { database, destinations } = this.#dependencies;
    const { destination, alert } = delivery;
    try {
      await destinations.send(destination, alertMessage(alert), this.#stopping.signal);
    } catch (error) {
      // Cut here, by no fault of the destination's: else a process that keeps stopping would use up all attempts in minutes.
      if (this.#stopping.signal.aborted) return returnDelivery(database, delivery);
      return this.#fail(delivery, error);
    }
    this.#outcomes.inc({ destination, outcome: "delivered" });
    await settleDelivery(database, delivery, "", 0);
  }

  async #fail(delivery: DueDelivery, error: unknown): Promise<void> {
    const { database, logger } = this.#dependencies;
    const { destination, alert, attempts } = delivery;
    const problem = error instanceof Undelivered ? error.message : "a defect in Weir; the log of policy has it";
    const { isFinal, retryAfterMs } = error instanceof Undelivered ? error : { isFinal: false, retryAfterMs: 0 };
    const retryInMs = isFinal ? undefined : retryDelayMs(attempts, retryAfterMs);
    const facts = { destination, crossingId: alert.id, attempts, error };
    if (retryInMs === undefined) logger.error(facts, "an alert of a budget was given up; `weir budgets alerts retry` delivers it once more");
    else logger.warn({ ...facts, retryInMs }, "an alert of a budget was not delivered; it is tried again");
    this.#outcomes.inc({ destination, outcome: retryInMs === undefined ? "given_up" : "failed" });
    await settleDelivery(database, delivery, problem, retryInMs);
  }
}
