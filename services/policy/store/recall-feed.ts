/** Owns telling holders which leases to give back: whichever policy process is short, every one tells its watchers. */
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import { keepTrying } from "#platform/keep-trying.ts";
import type { Logger } from "#platform/logger.ts";
import { Bell } from "./bell.ts";
import { selectDrawableLeases } from "./leases.ts";
import { ListeningConnection, probeIntervalMs } from "./listening-connection.ts";

const channel = "weir_policy_recalls";
/** The same is not called back more often than this. */
const recallEveryMs = 50;

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
    const onFailure = (error: unknown, retryInMs: number): void =>
      this.#logger.warn({ error, retryInMs }, "the connection that listens for recalls of leases broke; calls may be refused for a lack that these would end");
    await keepTrying((goesWell) => this.#serve(goesWell), { signal: this.#stopping.signal, onFailure });
  }

  /** Until the connection breaks (throws) or the feed stops. */
  async #serve(goesWell: () => void): Promise<void> {
    const want = (payload: string): void => {
      this.#wanted.add(payload);
      this.#bell.ring();
    };
    const connection = await ListeningConnection.open(this.#database.pool, { [channel]: want }, () => this.#bell.ring());
    try {
      goesWell();
      while (!this.#stopping.signal.aborted) {
        connection.check();
        if (!(await this.#bell.wait(probeIntervalMs))) await connection.probe();
        await this.#tellWatchers();
      }
    } finally {
      connection.close();
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
