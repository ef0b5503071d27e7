/** Owns the proof of what a single call through egress does and does not do. */
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, it, onTestFinished } from "vitest";
import { exchangeThroughEgress } from "./egress-exchange.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const never = new AbortController().signal;

it("sends what it was given and gives the whole reply", async () => {
  const seen: unknown[] = [];
  const origin = await serve((request, response) => {
    seen.push(request.method, request.url, request.headers["x-test"]);
    request.pipe(response.writeHead(418, { "X-Reply": "yes" }));
  });
  const reply = await exchangeThroughEgress({ method: "POST", url: `${origin}/token?a=1`, headers: { "x-test": "1" }, body: "b=2" }, never);
  expect(seen).toEqual(["POST", "/token?a=1", "1"]);
  expect(reply).toMatchObject({ status: 418, headers: { "x-reply": "yes" } });
  expect(reply.body.toString()).toBe("b=2");
});

it("follows no redirect", async () => {
  const origin = await serve((_, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end());
  expect(await exchangeThroughEgress({ method: "GET", url: origin, headers: {} }, never)).toMatchObject({ status: 302 });
});

it.each(["http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/"])("does not dial %s", async (url) => {
  await expect(exchangeThroughEgress({ method: "GET", url, headers: {} }, never)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

it("ends when the signal fires, and where the reply is too large", async () => {
  const silent = await serve(() => undefined);
  const stopped = new AbortController();
  const waiting = exchangeThroughEgress({ method: "GET", url: silent, headers: {} }, stopped.signal);
  stopped.abort();
  await expect(waiting).rejects.toThrow(/abort/i);
  server?.closeAllConnections();
  const large = await serve((_, response) => void response.end(Buffer.alloc(1024 * 1024 + 1)));
  await expect(exchangeThroughEgress({ method: "GET", url: large, headers: {} }, never)).rejects.toMatchObject({ code: "UND_ERR_RES_EXCEEDED_MAX_SIZE" });
});

it("ends when the signal fires, though there is no connection yet, or none free", async () => {
  const sockets = new Set<Socket>();
  const withoutTls = createTcpServer((socket) => sockets.add(socket));
  await new Promise<void>((resolve) => withoutTls.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    withoutTls.close();
  });
  let asked = 0;
  const busy = await serve(() => asked++);
  const others = Array.from({ length: 64 }, () => exchangeThroughEgress({ method: "GET", url: busy, headers: {} }, never).catch(() => undefined));
  await expect.poll(() => asked).toBe(64);
  for (const url of [`https://127.0.0.1:${(withoutTls.address() as AddressInfo).port}/`, busy]) {
    const beginMs = performance.now();
    await expect(exchangeThroughEgress({ method: "GET", url, headers: {} }, AbortSignal.timeout(100))).rejects.toMatchObject({ name: "TimeoutError" });
    expect(performance.now() - beginMs).toBeLessThan(5_000);
  }
  server?.closeAllConnections();
  await Promise.all(others);
  expect(asked).toBe(64);
});
