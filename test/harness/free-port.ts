/** Owns finding a port of this machine that nobody uses. */
import { createServer, type AddressInfo } from "node:net";

/** Another process may take it before the caller does; the kernel hands out others first. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
