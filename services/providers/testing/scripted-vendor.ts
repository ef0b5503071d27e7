/** Owns a vendor for tests: a real HTTP server whose every answer the test writes. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the vendor has seen of one request. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Resolves when the connection is closed before the answer was finished. */
  readonly aborted: Promise<void>;
}

export type Answer = (response: ServerResponse, request: SeenRequest) => void | Promise<void>;

export interface ScriptedVendor {
  readonly baseUrl: string;
  readonly requests: readonly SeenRequest[];
  /** Sets how requests are answered from now on. */
  answer(answer: Answer): void;
  close(): Promise<void>;
}

export async function startScriptedVendor(): Promise<ScriptedVendor> {
  const requests: SeenRequest[] = [];
  let current: Answer = (response) => void response.writeHead(500).end();
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const aborted = new Promise<void>((resolve) => response.once("close", () => response.writableFinished || resolve()));
      const seen = { path: request.url ?? "", headers: request.headers, body, aborted };
      requests.push(seen);
      return current(response, seen);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    answer: (answer) => void (current = answer),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A whole reply in OpenAI's form. */
export const completion = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "gpt-test-2026",
  service_tier: "default",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello!" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  unheard_of: { kept: true },
};

/** One event of a stream in OpenAI's form. */
export function chunk(content: string, finishReason: string | null = null): string {
  const choice = { index: 0, delta: { content }, finish_reason: finishReason };
  return event({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "gpt-test-2026", choices: [choice] });
}

export const usageChunk = event({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "gpt-test-2026", choices: [], usage: completion.usage });
export const done = "data: [DONE]\n\n";

export function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

export function answerJson(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => void response.writeHead(status, { "content-type": "application/json", "x-request-id": "req-vendor", ...headers }).end(JSON.stringify(value));
}

/** Begins a stream and writes the pieces, one after the other; the test ends it. */
export function beginStream(response: ServerResponse, ...pieces: string[]): void {
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req-vendor" });
  for (const piece of pieces) response.write(piece);
}
