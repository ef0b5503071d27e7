/** Owns the measure of the bench: a process that passes a request on and its reply back, and does nothing else. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const upstreamOrigin = process.argv[2]!;
const pool = new Pool(upstreamOrigin);

const server = http.createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const headers = { "content-type": request.headers["content-type"], authorization: request.headers.authorization };
    pool.dispatch(
      { method: "POST", path: request.url!, headers, body: Buffer.concat(pieces) },
      {
        onRequestStart: (controller) => void response.on("drain", () => controller.resume()),
        onResponseStart: (_, status, replyHeaders) => void response.writeHead(status, replyHeaders as http.OutgoingHttpHeaders),
        onResponseData(controller, chunk) {
          if (!response.write(chunk)) controller.pause();
        },
        onResponseEnd: () => void response.end(),
        onResponseError: (_, error) => void response.destroy(error),
      },
    );
  });
});
server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on("disconnect", () => process.exit());
