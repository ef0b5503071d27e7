/** Owns an upstream for tests that plays a script: it remembers what it was sent and answers as told, down to the single byte. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the upstream saw it. */
export interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Resolves when the connection was closed before the reply was complete. */
  readonly aborted: Promise<void>;
}

export type Answer = (request: UpstreamRequest, response: http.ServerResponse) => void | Promise<void>;

export interface ScriptedProvider {
  /** Such as `http://127.0.0.1:40124/v1`. */
  readonly baseUrl: string;
  /** All requests so far, oldest first. */
  readonly requests: readonly UpstreamRequest[];
  /** Answers requests from now on. */
  answerWith(answer: Answer): void;
  /** Resolves with the request of this place (0 is the first), as soon as it has come. */
  request(index: number): Promise<UpstreamRequest>;
  stop(): Promise<void>;
}

export async function startScriptedProvider(first: Answer): Promise<ScriptedProvider> {
  let answer = first;
  const requests: UpstreamRequest[] = [];
  const waiting = new Map<number, (request: UpstreamRequest) => void>();
  const server = http.createServer((message, response) => {
    const chunks: Buffer[] = [];
    // From the very beginning: a caller may be gone before its request has been read.
    const aborted = new Promise<void>((resolve) => response.once("close", () => (response.writableFinished ? undefined : resolve())));
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      const request = { method: message.method!, path: message.url!, headers: message.headers, body: Buffer.concat(chunks), aborted };
      requests.push(request);
      waiting.get(requests.length - 1)?.(request);
      void answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    answerWith: (next) => (answer = next),
    request: (index) => (requests[index] === undefined ? new Promise((resolve) => waiting.set(index, resolve)) : Promise.resolve(requests[index])),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with this JSON. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_, response) => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** Answers with these events, each as its own write. */
export function eventStream(events: readonly string[]): Answer {
  return (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of events) response.write(event);
    response.end();
  };
}
