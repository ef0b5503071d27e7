/** Owns waiting, for a short while, for a peer that is not connected: it may just be restarting. */
import { connectivityState, type Client } from "@grpc/grpc-js";

/** A connection's end is told right behind what it refuses. */
const newsMs = 10;

export class PeerConnection {
  readonly #client: Client;
  /** A peer that has been gone for longer is not waited for. */
  readonly #maximumAbsenceMs: number;
  /** On the monotonic clock; undefined while there is a connection. */
  #goneSinceMs: number | undefined;

  constructor(client: Client, maximumAbsenceMs: number) {
    this.#client = client;
    this.#maximumAbsenceMs = maximumAbsenceMs;
  }

  /** Whether a call can be sent at once. */
  get isReady(): boolean {
    const isReady = this.#client.getChannel().getConnectivityState(true) === connectivityState.READY;
    if (isReady) this.#goneSinceMs = undefined;
    return isReady;
  }

  /** Resolves when there is a connection, or when there is no use in waiting longer: then the call itself says why. */
  async wait(): Promise<void> {
    this.#goneSinceMs ??= performance.now();
    const restMs = this.#goneSinceMs + this.#maximumAbsenceMs - performance.now();
    if (restMs <= 0) return;
    await new Promise<void>((resolve) => this.#client.waitForReady(Date.now() + restMs, () => resolve()));
  }

  /** Resolves when the news that an instance is gone should have come, and there is another one, or no use in waiting. */
  async waitForAnother(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, newsMs));
    if (!this.isReady) await this.wait();
  }
}
