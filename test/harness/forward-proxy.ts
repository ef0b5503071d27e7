/** Owns the proxy of a network for tests: it gives tunnels, each to a server of the test, and remembers for what it was asked. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { pipeline, type Duplex } from "node:stream";

/** What it does with one request for a tunnel. */
export type TunnelAnswer = (asked: IncomingMessage, caller: Duplex) => void;

export interface ForwardProxy {
  readonly port: number;
  /** `host:port` of each tunnel it was asked for, and the credentials that came with it. */
  readonly asked: { readonly authority: string; readonly authorization: string | undefined }[];
  answerWith(answer: TunnelAnswer): void;
  stop(): Promise<void>;
}

/** Whatever host is asked for, a server on this port of loopback is what it leads to. */
export const leadTo =
  (port: number): TunnelAnswer =>
  (_asked, caller) => {
    const host = connect(port, "127.0.0.1", () => {
      caller.write("HTTP/1.1 200 Connection established\r\n\r\n");
      pipeline(caller, host, caller, () => {});
    });
  };

export const refuseWith =
  (status: number): TunnelAnswer =>
  (_asked, caller) =>
    void caller.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);

export async function startForwardProxy(first: TunnelAnswer): Promise<ForwardProxy> {
  let answer = first;
  const asked: ForwardProxy["asked"] = [];
  const callers = new Set<Duplex>();
  const server = createServer((_request, response) => void response.writeHead(400).end("Tunnels alone are given here."));
  server.on("connect", (request, caller) => {
    callers.add(caller.on("error", () => {}));
    asked.push({ authority: request.url!, authorization: request.headers["proxy-authorization"] });
    answer(request, caller);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    answerWith: (next) => void (answer = next),
    async stop() {
      for (const caller of callers) caller.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
