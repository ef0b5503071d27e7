/** Owns finding ports of this machine that nobody uses. */
import { createServer } from "node:net";

// Below the ports that Linux hands out for outgoing connections (32,768 on), of which one may take any port that is free for a moment.
const firstPort = 12_000;
const portsPerProcess = 40;
const blocks = 500;

let given = 0;

/** A port that no process of the tests running beside this one is given: each has a block of its own. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < portsPerProcess; tries++) {
    const port = firstPort + (process.pid % blocks) * portsPerProcess + (given++ % portsPerProcess);
    if (await isFree(port)) return port;
  }
  throw new Error(`None of the ${portsPerProcess} ports of this test process is free.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
