/** Owns waiting, for a short while, for a peer that is not connected: it may just be restarting. */
import { connectivityState, type Client } from "@grpc/grpc-js";
import type { CallContext } from "../rpc/service-types.ts";

/** Until when whoever makes the call cares for it. */
type Patience = Pick<CallContext, "signal" | "deadlineMs">;

/** News of an instance that goes comes right behind what it refuses. */
const newsMs = 10;

export class PeerConnection {
  readonly #client: Client;
  /** A peer that has been gone for longer is not waited for. */
  readonly #maximumAbsenceMs: number;
  /** On the monotonic clock; undefined while there is a connection. */
  #goneSinceMs: number | undefined;
  #isClosed = false;

  constructor(client: Client, maximumAbsenceMs: number) {
    this.#client = client;
    this.#maximumAbsenceMs = maximumAbsenceMs;
  }

  /** Whether a call can be sent at once. */
  get isReady(): boolean {
    const isReady = this.#state() === connectivityState.READY;
    if (isReady) this.#goneSinceMs = undefined;
    return isReady;
  }

  /** No call can be sent any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when there is a connection, or when there is no use in waiting longer, for the peer or for the caller: then the call itself says why. */
  async wait({ signal, deadlineMs = Infinity }: Patience): Promise<void> {
    this.#goneSinceMs ??= performance.now();
    const endMs = Math.min(this.#goneSinceMs + this.#maximumAbsenceMs, performance.now() + deadlineMs - Date.now());
    while (!this.isReady && !this.#isClosed && !signal.aborted && performance.now() < endMs) await this.#changed(endMs - performance.now(), signal);
  }

  /** Nobody waits any longer. */
  close(): void {
    this.#isClosed = true;
    this.#client.close();
  }

  /**
   * For a call that no instance has begun, since it was first sent then: whether to send it again, as soon as there is something new.
   * False when the peer has been gone, or has kept refusing, for too long.
   */
  async mayTryAgain(firstSentMs: number, patience: Patience): Promise<boolean> {
    const sinceMs = Math.min(firstSentMs, this.#goneSinceMs ?? Infinity);
    if (this.#isClosed || performance.now() - sinceMs >= this.#maximumAbsenceMs) return false;
    await new Promise((resolve) => setTimeout(resolve, newsMs));
    if (!this.isReady) await this.wait(patience);
    return true;
  }

  /** Asks for a connection where there is none; not of a closed channel, which grpc-js 1.14 would wake up for good. */
  #state(): connectivityState {
    return this.#isClosed ? connectivityState.SHUTDOWN : this.#client.getChannel().getConnectivityState(true);
  }

  /** Resolves when the connection is in another state than now, when the signal fires, or after the time. */
  #changed(withinMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        signal.removeEventListener("abort", end);
        resolve();
      };
      signal.addEventListener("abort", end);
      this.#client.getChannel().watchConnectivityState(this.#state(), Date.now() + withinMs, end);
    });
  }
}
