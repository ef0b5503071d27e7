/** Owns the server behind the demo vendor: OpenAI's API on a loopback port that the system chooses. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import { completionChunks, readChatRequest, wholeCompletion } from "./demo-chat.ts";
import { embeddings } from "./demo-embeddings.ts";

export interface DemoServer {
  readonly baseUrl: string;
  stop(): Promise<void>;
}

const maximumBodyBytes = 64 * 1024 * 1024;
/** So that a stream is seen to stream. */
const wordDelayMs = 8;

export async function startDemoServer(): Promise<DemoServer> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => sendError(response, toGatewayError(error)));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}/v1`, stop: () => stopServer(server) };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = parseJsonObject(await readBody(request));
  if (request.url === "/v1/chat/completions") return answerChat(body, response);
  if (request.url === "/v1/embeddings") return sendJson(response, 200, embeddings(body));
  throw new GatewayError("METHOD_NOT_FOUND", `The demo has no ${request.method} ${request.url}.`);
}

async function answerChat(body: { readonly [key: string]: unknown }, response: ServerResponse): Promise<void> {
  const chat = readChatRequest(body);
  const now = Math.floor(Date.now() / 1000);
  response.setHeader("x-request-id", chat.id);
  if (!chat.stream) return sendJson(response, 200, wholeCompletion(chat, now));
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  for (const chunk of completionChunks(chat, now)) {
    if (response.destroyed) return;
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    await pause(wordDelayMs);
  }
  response.end("data: [DONE]\n\n");
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maximumBodyBytes) throw new GatewayError("BODY_TOO_LARGE", `The demo takes at most ${maximumBodyBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
}

function sendError(response: ServerResponse, error: GatewayError): void {
  if (response.headersSent) return void response.destroy();
  sendJson(response, error.httpStatus, { error: { message: error.message, type: "invalid_request_error", param: null, code: null } });
}

function stopServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
