import { once } from "node:events";
import * as http2 from "node:http2";
import { connect } from "node:net";
import { expect, test, vi } from "vitest";
import { connectionOf, listen } from "./listener.ts";
import { createLogger } from "../logger.ts";

const longDrainMs = 60_000;
const logger = createLogger("silent");

test.each([
  ["a connection that has not sent a byte", ""],
  ["an idle connection", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
])("closing waits for no %s", async (_, bytes) => {
  const listener = await listen({ address: "127.0.0.1", port: 0, portHint: "", logger, handler: (_request, response) => void response.end("ok") });
  const socket = connect(listener.port, "127.0.0.1");
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  socket.on("error", () => undefined);
  const answered = bytes === "" ? Promise.resolve() : new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.write(bytes);
  await answered;
  socket.resume();
  const beginMs = performance.now();
  await listener.close(longDrainMs);
  await ended;
  expect(performance.now() - beginMs).toBeLessThan(longDrainMs / 10);
});

test.each([
  ["that is idle", "ok"],
  ["whose reply waits to be read", "x".repeat(1024 * 1024)],
])("a connection of HTTP/2 %s ends with its caller", async (_, body) => {
  const arrived = Promise.withResolvers<http2.ServerHttp2Session>();
  const listener = await listen({
    address: "127.0.0.1",
    port: 0,
    portHint: "",
    logger,
    handler: (request, response) => {
      arrived.resolve(connectionOf(request) as http2.ServerHttp2Session);
      response.end(body);
    },
  });
  const caller = http2.connect(`http://127.0.0.1:${listener.port}`);
  const reply = caller.request();
  const session = await arrived.promise;
  await once(reply, "response");
  const ended = once(session, "close");
  caller.destroy();
  await ended;
  await listener.close(longDrainMs);
});

test("closing waits for no connection of HTTP/2 that its caller leaves open when all is said", async () => {
  const listener = await listen({ address: "127.0.0.1", port: 0, portHint: "", logger, handler: (_request, response) => void response.end("ok") });
  const socket = connect({ port: listener.port, host: "127.0.0.1", allowHalfOpen: true });
  const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), emptySettings]));
  await once(socket, "data");
  const beginMs = performance.now();
  await listener.close(longDrainMs);
  expect(performance.now() - beginMs).toBeLessThan(longDrainMs / 10);
  socket.destroy();
});

test.each([
  ["at once", () => { throw new Error("a defect"); }],
  ["later", () => Promise.reject(new Error("a defect"))],
])("a request whose handler fails %s is broken off, and told of; others go on", async (_, fail) => {
  const told = vi.spyOn(logger, "error");
  const listener = await listen({ address: "127.0.0.1", port: 0, portHint: "", logger, handler: (request, response) => (request.url === "/ok" ? void response.end("ok") : fail()) });
  await expect(fetch(`http://127.0.0.1:${listener.port}/`)).rejects.toThrow();
  expect(told).toHaveBeenCalledOnce();
  const session = http2.connect(`http://127.0.0.1:${listener.port}`);
  const stream = session.request({ ":path": "/" });
  await expect(once(stream, "response")).rejects.toThrow();
  expect(await (await fetch(`http://127.0.0.1:${listener.port}/ok`)).text()).toBe("ok");
  session.destroy();
  told.mockRestore();
  await listener.close(0);
});
