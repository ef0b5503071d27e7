import * as http2 from "node:http2";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { listen } from "./listener.ts";

const longDrainMs = 60_000;

test.each([
  ["a connection that has not sent a byte", ""],
  ["an idle connection", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
])("closing waits for no %s", async (_, bytes) => {
  const listener = await listen({ address: "127.0.0.1", port: 0, portHint: "", handler: (_request, response) => void response.end("ok") });
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

test("an HTTP/2 connection that its caller ends takes its requests with it", async () => {
  const left = Promise.withResolvers<void>();
  const listener = await listen({ address: "127.0.0.1", port: 0, portHint: "", handler: (_request, response) => {
    response.once("close", () => left.resolve());
    response.write("the beginning");
  } });
  const session = http2.connect(`http://127.0.0.1:${listener.port}`);
  const stream = session.request({ ":path": "/" });
  await new Promise<void>((resolve) => stream.once("data", () => resolve()));
  const ended = new Promise<void>((resolve) => session.socket.once("close", () => resolve()));
  session.socket.destroySoon();
  await ended;
  await left.promise;
  await listener.close(longDrainMs);
});
