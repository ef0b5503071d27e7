/** Owns telling holders which leases to give back: whichever policy process is short, every one tells its watchers. */
import { setTimeout as pause } from "node:timers/promises";
import type { PoolClient } from "pg";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import { Bell } from "./bell.ts";
import { selectDrawableLeases } from "./leases.ts";

const channel = "weir_policy_recalls";
/** The same is not called back more often than this. */
const recallEveryMs = 50;
/** A connection can die without a word; asking now and then finds out. */
const probeIntervalMs = 5_000;
const firstDelayMs = 50;
const longestDelayMs = 5_000;

/** Every period of the organization. */
export const allPeriods = 0n;

interface Watcher {
  readonly holderId: string;
  readonly leaseIds: Set<string>;
  /** Rings when there is something to tell, or the feed stops. */
  readonly bell: Bell;
}

export class RecallFeed {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #watchers = new Set<Watcher>();
  readonly #recentlyRecalled = new Set<string>();
  /** What others want back, as organization and period, and has not been looked up. */
  readonly #wanted = new Set<string>();
  /** Rings when the feed has something to do. */
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  readonly #finished: Promise<void>;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
    this.#finished = this.#run();
  }

  /** Asks all holders for what they have not drawn of this period; whoever is short asks again, so that a failure is only logged. */
  async recall(organizationId: string, periodId: bigint): Promise<void> {
    const payload = `${organizationId} ${periodId}`;
    if (this.#recentlyRecalled.has(payload)) return;
    this.#recentlyRecalled.add(payload);
    setTimeout(() => this.#recentlyRecalled.delete(payload), recallEveryMs).unref();
    try {
      await this.#database.query("SELECT pg_notify($1, $2)", [channel, payload]);
    } catch (error) {
      this.#logger.warn({ error, organizationId }, "leases could not be called back");
    }
  }

  /** Batches of lease ids to give back, until the signal fires; throws SHUTTING_DOWN when the feed stops. */
  async *watch(holderId: string, signal: AbortSignal): AsyncGenerator<string[]> {
    const watcher: Watcher = { holderId, leaseIds: new Set(), bell: new Bell() };
    const ring = (): void => watcher.bell.ring();
    signal.addEventListener("abort", ring);
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted) {
        if (this.#stopping.signal.aborted) throw new GatewayError("SHUTTING_DOWN", "Policy is shutting down. Watch again in a moment.");
        const leaseIds = [...watcher.leaseIds];
        watcher.leaseIds.clear();
        if (leaseIds.length > 0) yield leaseIds;
        else await watcher.bell.wait();
      }
    } finally {
      this.#watchers.delete(watcher);
      signal.removeEventListener("abort", ring);
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#bell.ring();
    for (const { bell } of this.#watchers) bell.ring();
    await this.#finished;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let delayMs = firstDelayMs; !signal.aborted; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      try {
        await this.#listen(() => (delayMs = firstDelayMs));
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn({ error, retryInMs: delayMs }, "the connection that listens for recalls of leases broke; calls may be refused for a lack that these would end");
        await pause(delayMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Until the connection breaks (throws) or the feed stops. */
  async #listen(onListening: () => void): Promise<void> {
    const client = await this.#database.pool.connect();
    let failure: Error | undefined;
    client.on("notification", ({ payload }) => {
      this.#wanted.add(payload ?? "");
      this.#bell.ring();
    });
    client.on("error", (error) => {
      failure = error;
      this.#bell.ring();
    });
    try {
      await client.query(`LISTEN ${channel}`);
      onListening();
      while (!this.#stopping.signal.aborted) {
        if (failure !== undefined) throw failure;
        if (!(await this.#bell.wait(probeIntervalMs))) await probe(client);
        await this.#tellWatchers();
      }
    } finally {
      // Not given back to the pool: whoever gets a connection must not listen.
      client.release(true);
    }
  }

  async #tellWatchers(): Promise<void> {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    for (const payload of this.#watchers.size === 0 ? [] : wanted) {
      const [organizationId, periodId] = payload.split(" ");
      const leases = await selectDrawableLeases(this.#database, organizationId!, BigInt(periodId!), [...this.#watchers].map(({ holderId }) => holderId));
      for (const { holderId, leaseIds, bell } of this.#watchers) {
        for (const leaseId of leases.get(holderId) ?? []) leaseIds.add(leaseId);
        bell.ring();
      }
    }
  }
}

async function probe(client: PoolClient): Promise<void> {
  await client.query("SELECT 1");
}
