/**
 * Owns pushing grants to watchers. One connection of its own listens for changes and reads them, one query at a time,
 * so that every watcher is told in the order of the commits; when it breaks, a new one begins with new snapshots.
 */
import type { Pool } from "pg";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { WatchGrantsResponseSchema, type WatchGrantsResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { keepTrying } from "#platform/keep-trying.ts";
import type { Logger } from "#platform/logger.ts";
import { GrantQueue } from "../domain/grant-queue.ts";
import { Bell } from "./bell.ts";
import { readGrant, selectKey, type KeyRow } from "./keys.ts";
import { ListeningConnection, probeIntervalMs } from "./listening-connection.ts";

const pageSize = 500;
/** The most changes that wait to be read; beyond it every watcher gets a new snapshot instead. */
const mostPendingChanges = 10_000;
/** What heartbeats say at most, also when the database has never answered. */
const longestAgeMs = 86_400_000;

interface Watcher {
  readonly queue: GrantQueue;
  /** Rings when the queue has something, or the feed stops. */
  readonly bell: Bell;
  /** Undefined when it wants no heartbeats. */
  readonly heartbeatMs: number | undefined;
}

export class GrantFeed {
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #onRulesChanged: () => void;
  readonly #watchers = new Set<Watcher>();
  /** Rings when the feed has something to do. */
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  readonly #finished: Promise<void>;
  /** When the database last answered. */
  #heardMs = -Infinity;

  /** The connection that listens for changed grants listens for changed rules, too. */
  constructor(pool: Pool, logger: Logger, onRulesChanged: () => void) {
    this.#pool = pool;
    this.#logger = logger;
    this.#onRulesChanged = onRulesChanged;
    this.#finished = this.#run();
  }

  /** A snapshot of all grants, then each change, and heartbeats, until the signal fires; throws SHUTTING_DOWN when the feed stops. */
  async *watch(signal: AbortSignal, heartbeatMs?: number): AsyncGenerator<WatchGrantsResponse> {
    const watcher: Watcher = { queue: new GrantQueue(), bell: new Bell(), heartbeatMs };
    let beatMs = performance.now();
    const ring = (): void => watcher.bell.ring();
    signal.addEventListener("abort", ring);
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted) {
        if (this.#stopping.signal.aborted) throw new GatewayError("SHUTTING_DOWN", "Policy is shutting down. Watch again in a moment.");
        // What a watcher has that waits for its snapshot may be older than the database's last answer.
        if (heartbeatMs !== undefined && watcher.queue.hasSnapshot && performance.now() - beatMs >= heartbeatMs) {
          beatMs = performance.now();
          yield this.#heartbeat();
        }
        const message = watcher.queue.take();
        if (message !== undefined) {
          yield message;
          continue;
        }
        if (watcher.queue.wantedPage !== undefined) this.#bell.ring();
        await watcher.bell.wait(watcher.queue.hasSnapshot ? heartbeatMs && Math.max(0, heartbeatMs - (performance.now() - beatMs)) : undefined);
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

  #heartbeat(): WatchGrantsResponse {
    // Whole: a fraction becomes nanoseconds that are none, which cannot be written and would end the stream.
    return create(WatchGrantsResponseSchema, { databaseAge: durationFromMs(Math.ceil(Math.min(performance.now() - this.#heardMs, longestAgeMs))) });
  }

  async #run(): Promise<void> {
    const onFailure = (error: unknown, retryInMs: number): void =>
      this.#logger.warn({ error, retryInMs }, "the connection that listens for changed grants broke; watchers keep what they have until it is back");
    await keepTrying((goesWell) => this.#serve(goesWell), { signal: this.#stopping.signal, onFailure });
  }

  /** Serves the watchers over one connection, until it breaks (throws) or the feed stops. */
  async #serve(goesWell: () => void): Promise<void> {
    const changes = new ChangedKeys();
    const channels = {
      weir_policy_grants: (keyId: string) => {
        changes.add(keyId);
        this.#bell.ring();
      },
      weir_policy_rules: this.#onRulesChanged,
    };
    const connection = await ListeningConnection.open(this.#pool, channels, () => this.#bell.ring());
    try {
      this.#heard();
      goesWell();
      // What changed while nobody listened is not known.
      for (const { queue } of this.#watchers) queue.restart();
      this.#onRulesChanged();
      while (!this.#stopping.signal.aborted) {
        connection.check();
        if (!(await this.#deliverSome(connection, changes))) await this.#idle(connection);
      }
    } finally {
      connection.close();
    }
  }

  /** One step of work; false when there is none. */
  async #deliverSome(connection: ListeningConnection, changes: ChangedKeys): Promise<boolean> {
    const keyIds = changes.take();
    if (keyIds === "too many") {
      for (const { queue } of this.#watchers) queue.restart();
    } else if (keyIds.length > 0) {
      const grants = await this.#readGrants(connection, `${selectKey} WHERE keys.id = ANY($1)`, [keyIds]);
      for (const watcher of this.#watchers) {
        watcher.queue.addChanges(grants);
        watcher.bell.ring();
      }
      return true;
    }
    return this.#deliverPage(connection);
  }

  /** All who want the same page get it at once, and who is furthest behind comes first, until it is with the others. */
  async #deliverPage(connection: ListeningConnection): Promise<boolean> {
    const [wantedPage] = [...this.#watchers].flatMap(({ queue }) => queue.wantedPage ?? []).toSorted();
    if (wantedPage === undefined) return false;
    const grants = await this.#readGrants(connection, `${selectKey} WHERE keys.id > $1 ORDER BY keys.id LIMIT $2`, [wantedPage, pageSize]);
    for (const { queue, bell } of this.#watchers) {
      if (queue.wantedPage !== wantedPage) continue;
      queue.addPage(grants, grants.length < pageSize);
      bell.ring();
    }
    return true;
  }

  async #idle(connection: ListeningConnection): Promise<void> {
    const rang = await this.#bell.wait(Math.min(probeIntervalMs, ...[...this.#watchers].map(({ heartbeatMs }) => heartbeatMs ?? Infinity)));
    if (rang) return;
    await connection.probe();
    this.#heard();
  }

  async #readGrants(connection: ListeningConnection, text: string, values: unknown[]): Promise<Grant[]> {
    const rows = await connection.query<KeyRow>(text, values);
    this.#heard();
    return rows.map(readGrant);
  }

  #heard(): void {
    this.#heardMs = performance.now();
  }
}

/** The keys that changed and have not been read. */
class ChangedKeys {
  readonly #ids = new Set<string>();
  #areTooMany = false;

  add(keyId: string): void {
    if (this.#ids.size >= mostPendingChanges) {
      this.#ids.clear();
      this.#areTooMany = true;
    }
    this.#ids.add(keyId);
  }

  /** A batch of those that changed since they were last taken. */
  take(): string[] | "too many" {
    if (this.#areTooMany) {
      this.#areTooMany = false;
      return "too many";
    }
    const batch = [...this.#ids.values().take(pageSize)];
    for (const keyId of batch) this.#ids.delete(keyId);
    return batch;
  }
}
