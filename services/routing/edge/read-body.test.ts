import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { readBody } from "./read-body.ts";

test("a body that falls silent is given up", async () => {
  const outcome = Promise.withResolvers<unknown>();
  const server = createServer((request, response) => {
    readBody(request, { maximumBytes: 1_000, maximumSilenceMs: 50 }).then(outcome.resolve, outcome.resolve);
    void outcome.promise.then(() => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
  expect(await outcome.promise).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  socket.destroy();
  server.close();
});
