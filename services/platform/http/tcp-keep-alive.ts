/** Owns that TCP finds out about a peer that vanished without a word: every connection of the process is probed when it is silent. */
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** Then ten probes, a second apart: that is how Node asks the kernel. */
const silenceMs = 10_000;

/**
 * For all connections from now on. gRPC's own pings cannot be used: grpc-js takes a connection that drains, on which pings are
 * not possible, for a dead one, and breaks off the streams that it still has.
 */
export function probeSilentConnections(): void {
  for (const channel of ["net.client.socket", "net.server.socket"]) {
    subscribe(channel, (message) => (message as { readonly socket: Socket }).socket.setKeepAlive(true, silenceMs));
  }
}
