/** Owns waiting, for a short while, for a peer that is not connected: it may just be restarting. */
import { connectivityState, type Client } from "@grpc/grpc-js";

/** News of an instance that goes comes right behind what it refuses. */
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
    const isBack = await new Promise<boolean>((resolve) => this.#client.waitForReady(Date.now() + restMs, (error) => resolve(error === undefined)));
    if (isBack) this.#goneSinceMs = undefined;
  }

  /**
   * For a call that no instance has begun, since it was first sent then: whether to send it again, as soon as there is something new.
   * False when the peer has been gone, or has kept refusing, for too long.
   */
  async mayTryAgain(firstSentMs: number): Promise<boolean> {
    const sinceMs = Math.min(firstSentMs, this.#goneSinceMs ?? Infinity);
    if (performance.now() - sinceMs >= this.#maximumAbsenceMs) return false;
    await new Promise((resolve) => setTimeout(resolve, newsMs));
    if (!this.isReady) await this.wait();
    return true;
  }
}
