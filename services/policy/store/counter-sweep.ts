/** Owns keeping the counters of rate limits bounded: now and then those that say nothing any more go, and the limits with too many are noted. */
import { setTimeout as pause } from "node:timers/promises";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { sweepCounters, type FullLimits } from "./rate-counters.ts";

const intervalMs = 30_000;
/** The most counters of one limit; what comes beyond shares one. */
const mostCounters = 100_000;

export class CounterSweep {
  #full: FullLimits = [];
  readonly #stopping = new AbortController();
  readonly #finished: Promise<void>;

  constructor(database: Database, logger: Logger) {
    this.#finished = this.#run(database, logger);
  }

  /** The limits that may have no counter more. */
  get full(): FullLimits {
    return this.#full;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#finished;
  }

  async #run(database: Database, logger: Logger): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        this.#full = await sweepCounters(database, mostCounters);
        if (this.#full.length > 0) logger.warn({ rateLimits: this.#full, mostCounters }, "rate limits have as many counters as they may have; what is new shares one");
      } catch (error) {
        logger.warn({ error }, "the counters of rate limits cannot be swept; they are swept again in a while");
      }
      await pause(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
