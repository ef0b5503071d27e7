/** Owns a proxy before a NATS server that loses, delays and repeats single messages, as a test decides. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface NatsFrame {
  /** From the client, or to it. */
  readonly direction: "out" | "in";
  readonly subject: string;
}

/** What becomes of a message: it passes so many times, each after a delay. Unequal delays change the order. */
export type Fate = readonly { readonly delayMs: number }[];

export interface NatsProxy {
  readonly url: string;
  close(): Promise<void>;
}

export async function startNatsProxy(targetPort: number, decide: (frame: NatsFrame) => Fate): Promise<NatsProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(targetPort, "127.0.0.1");
    forward(client, upstream, "out", decide);
    forward(upstream, client, "in", decide);
    for (const socket of [client, upstream]) sockets.add(socket.setNoDelay(true));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function forward(from: Socket, to: Socket, direction: NatsFrame["direction"], decide: (frame: NatsFrame) => Fate): void {
  let buffered: Buffer = Buffer.alloc(0);
  from.on("data", (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    for (let frame = firstFrame(buffered); frame !== undefined; frame = firstFrame(buffered)) {
      const bytes = Buffer.from(buffered.subarray(0, frame.length));
      buffered = buffered.subarray(frame.length);
      for (const { delayMs } of frame.subject === undefined ? [{ delayMs: 0 }] : decide({ direction, subject: frame.subject })) {
        if (delayMs === 0) to.write(bytes);
        else setTimeout(() => to.writable && to.write(bytes), delayMs);
      }
    }
  });
  from.on("close", () => to.destroy());
  from.on("error", () => to.destroy());
}

/** The length of the first whole frame, and its subject if it carries a message. */
function firstFrame(bytes: Buffer): { readonly length: number; readonly subject: string | undefined } | undefined {
  const lineEnd = bytes.indexOf("\r\n");
  if (lineEnd < 0) return undefined;
  const [operation, subject, ...rest] = bytes.toString("latin1", 0, lineEnd).split(" ");
  if (!["PUB", "HPUB", "MSG", "HMSG"].includes(operation!)) return { length: lineEnd + 2, subject: undefined };
  const length = lineEnd + 2 + Number(rest.at(-1)) + 2;
  return bytes.length < length ? undefined : { length, subject: subject! };
}
