/** Owns a connection of its own on which PostgreSQL tells of what others change. */
import type { Pool, PoolClient, QueryConfig, QueryResultRow } from "pg";

/** What is done with the payload of each notification, by channel. */
export type Channels = Readonly<Record<string, (payload: string) => void>>;

const queryTimeoutMs = 5_000;
/** A connection can die without a word; asking now and then finds out. */
export const probeIntervalMs = 5_000;

export class ListeningConnection {
  readonly #client: PoolClient;
  #failure: Error | undefined;

  private constructor(client: PoolClient, channels: Channels, onFailure: () => void) {
    this.#client = client;
    client.on("notification", ({ channel, payload }) => channels[channel]!(payload ?? ""));
    client.on("error", (error) => {
      this.#failure = error;
      onFailure();
    });
  }

  /** Resolves once it listens. `onFailure` is called when the connection breaks; `check` throws from then on. */
  static async open(pool: Pool, channels: Channels, onFailure: () => void): Promise<ListeningConnection> {
    const connection = new ListeningConnection(await pool.connect(), channels, onFailure);
    try {
      for (const channel of Object.keys(channels)) await connection.query(`LISTEN ${channel}`);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Throws when the connection broke. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async probe(): Promise<void> {
    await this.query("SELECT 1");
  }

  async query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const query: QueryConfig & { query_timeout: number } = { text, values, query_timeout: queryTimeoutMs };
    return (await this.#client.query<Row>(query)).rows;
  }

  /** It is not given back to the pool: whoever gets a connection there must not listen. */
  close(): void {
    this.#client.release(true);
  }
}
