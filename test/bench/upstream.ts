/** Owns the vendor of the bench: a process that answers in OpenAI's format, at once or in a stream with a chunk every 5 ms, at next to no cost. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { chunkIntervalMs, chunksAskedFor, contentEvent, lastEvents, wholeReply } from "./exchange.ts";
import { translatedChunksAskedFor, translatedContentEvent, translatedLastEvent, translatedWholeReply } from "./translated-exchange.ts";

let served = 0;

const server = http.createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    served++;
    const body = Buffer.concat(pieces);
    const translatedChunks = translatedChunksAskedFor(request.url!, body);
    if (translatedChunks !== undefined) answer(response, translatedChunks, translatedWholeReply, (place) => translatedContentEvent(place, translatedChunks), translatedLastEvent);
    else answer(response, chunksAskedFor(body), wholeReply, () => contentEvent, lastEvents);
  });
});
server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on("message", () => process.send!({ served }));
process.on("disconnect", () => process.exit());

function answer(response: http.ServerResponse, chunks: number, whole: Buffer, contentAt: (place: number) => Buffer, last: Buffer): void {
  if (chunks > 0) answerWithStream(response, chunks, contentAt, last);
  else response.writeHead(200, { "content-type": "application/json", "content-length": whole.length }).end(whole);
}

function answerWithStream(response: http.ServerResponse, chunks: number, contentAt: (place: number) => Buffer, last: Buffer): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  response.write(contentAt(0));
  let written = 1;
  const timer = setInterval(() => {
    if (written === chunks) {
      clearInterval(timer);
      response.end(last);
    } else {
      response.write(contentAt(written++));
    }
  }, chunkIntervalMs);
  response.once("close", () => clearInterval(timer));
}
