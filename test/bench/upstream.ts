/** Owns the vendor of the bench: a process that answers in OpenAI's format, at once or in a stream with a chunk every 5 ms, at next to no cost. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { chunkIntervalMs, chunksAskedFor, contentEvent, lastEvents, wholeReply } from "./exchange.ts";

let served = 0;

const server = http.createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    served++;
    const chunks = chunksAskedFor(Buffer.concat(pieces));
    if (chunks > 0) answerWithStream(response, chunks);
    else response.writeHead(200, { "content-type": "application/json", "content-length": wholeReply.length }).end(wholeReply);
  });
});
server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on("message", () => process.send!({ served }));
process.on("disconnect", () => process.exit());

function answerWithStream(response: http.ServerResponse, chunks: number): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  response.write(contentEvent);
  let written = 1;
  const timer = setInterval(() => {
    if (written === chunks) {
      clearInterval(timer);
      response.end(lastEvents);
    } else {
      written++;
      response.write(contentEvent);
    }
  }, chunkIntervalMs);
  response.once("close", () => clearInterval(timer));
}
