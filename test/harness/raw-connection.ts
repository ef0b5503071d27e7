/** Owns a connection for tests that sends whatever it is told, and keeps what comes back. */
import { connect, type Socket } from "node:net";

export interface RawConnection {
  readonly socket: Socket;
  /** Sends the bytes; resolves when the kernel has taken them, or the other side has gone. */
  send(bytes: string | Uint8Array): Promise<void>;
  /** What has come so far. */
  readonly received: string;
  /** Resolves with all that came when the other side has closed. */
  readonly closed: Promise<string>;
}

export async function openRawConnection(origin: string): Promise<RawConnection> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  let received = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => (received += text));
  // Being cut off is what many of these tests are about.
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return {
    socket,
    send: (bytes) =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve();
        socket.once("close", () => resolve());
        socket.write(bytes, () => resolve());
      }),
    get received() {
      return received;
    },
    closed,
  };
}
