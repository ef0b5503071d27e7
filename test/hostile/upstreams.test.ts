/** Owns the proof that no upstream, whatever it answers, gets more than a truthful error through to the caller, and that its attempt stands once. */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

/** What the upstream does once the head of a request has come. */
type Behaviour = (socket: Socket) => void;

let server: Server;
let behave: Behaviour;
let weir: Weir;
let connections = 0;

beforeAll(async () => {
  server = createServer((socket) => {
    connections++;
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      if (bytes.includes("POST ")) behave(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  // It never becomes so bad that Weir leaves it alone.
  const config = `providers: { up: { vendor: openai, api_key: k, base_url: "http://127.0.0.1:${port}/v1", models: [m], idle_timeout: 1s, first_byte_timeout: 2s } }
breaker: { failure_percentage: 100, minimum_calls: 100000 }
logging: { level: warn }`;
  weir = await startWeir({ config });
});
afterAll(async () => {
  await weir?.stop();
  server?.close();
});

const ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const sse = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const chunk = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content: "hi" }, finish_reason: null }] })}\n\n`;
const finish = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`;
const usage = (tokens: number): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [], usage: { prompt_tokens: tokens, completion_tokens: tokens, total_tokens: 2 * tokens } })}\n\n`;
const done = "data: [DONE]\n\n";
const completion = JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });
const failure = JSON.stringify({ error: { message: "Provider returned error", code: 502 } });
const says = (text: string | Uint8Array): Behaviour => (socket) => void socket.end(text);
const saysAndHolds = (text: string): Behaviour => (socket) => void socket.write(text);

function pour(socket: Socket, text: string, isEnough: () => boolean): void {
  const more = (): void => {
    while (!socket.destroyed && !isEnough()) if (!socket.write(text)) return void socket.once("drain", more);
  };
  more();
}

const doors = ["/v1/chat/completions", "/v1/messages"] as const;

async function ask(path: string, stream: boolean): Promise<{ status: number; text: string; reason: string; requestId: string }> {
  const headers = { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" };
  const body = JSON.stringify({ model: "up/m", max_tokens: 5, stream, messages: [{ role: "user", content: "hello" }] });
  const response = await fetch(weir.origin + path, { method: "POST", headers, body });
  return { status: response.status, text: await response.text(), reason: response.headers.get("x-weir-reason") ?? "", requestId: response.headers.get("x-request-id")! };
}

async function attemptsOf(requestId: string): Promise<AttemptResult[]> {
  return (await weir.attempts(1, { requestId })).map(({ event }) => event!.outcome!.result);
}

/** Before the reply has begun: an error with a status, in the caller's dialect. */
const unary: readonly (readonly [what: string, behaviour: Behaviour, reason: string, status: number])[] = [
  ["something that is no HTTP", says("SSH-2.0-OpenSSH_9.9\r\n"), "UPSTREAM_PROTOCOL", 502],
  ["a web page", says("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>hi</html>"), "UPSTREAM_PROTOCOL", 502],
  ["half of its JSON", says(`${ok}content-length: 20\r\n\r\n{"id":"c","object":"`), "UPSTREAM_PROTOCOL", 502],
  ["JSON of another kind", says(`${ok}content-length: 4\r\n\r\nnull`), "UPSTREAM_PROTOCOL", 502],
  ["an error, and the status of success", says(`${ok}content-length: ${failure.length}\r\n\r\n${failure}`), "UPSTREAM_UNAVAILABLE", 502],
  ["an object without a reply", says(`${ok}content-length: 2\r\n\r\n{}`), "UPSTREAM_PROTOCOL", 502],
  ["less than it promised", says(`${ok}content-length: 100000\r\n\r\n{"id":`), "UPSTREAM_INTERRUPTED", 502],
  ["a reset before its answer", (socket) => socket.resetAndDestroy(), "UPSTREAM_UNAVAILABLE", 502],
  ["a reset in its headers", (socket) => void socket.write("HTTP/1.1 200 OK\r\ncontent-", () => socket.resetAndDestroy()), "UPSTREAM_UNAVAILABLE", 502],
  ["nothing", () => undefined, "UPSTREAM_TIMEOUT", 504],
  ["headers, and then nothing", saysAndHolds(`${ok}content-length: 100\r\n\r\n{`), "UPSTREAM_TIMEOUT", 504],
  ["a redirect", says("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/steal\r\ncontent-length: 0\r\n\r\n"), "UPSTREAM_PROTOCOL", 502],
  ["a compressed reply", says(Buffer.concat([Buffer.from(`${ok}content-encoding: gzip\r\ncontent-length: ${gzipSync(completion).length}\r\n\r\n`), gzipSync(completion)])), "UPSTREAM_PROTOCOL", 502],
  ["an error without end", (socket) => {
    socket.write("HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\n\r\n");
    let sent = 0;
    pour(socket, "x".repeat(65_536), () => (sent += 65_536) > 1024 * 1024 * 1024);
  }, "UPSTREAM_UNAVAILABLE", 502],
  ["a reply without end", (socket) => {
    socket.write(`${ok}\r\n{"id":"`);
    let sent = 0;
    pour(socket, "x".repeat(65_536), () => (sent += 65_536) > 1024 * 1024 * 1024);
  }, "UPSTREAM_PROTOCOL", 502],
  ["headers without end", (socket) => {
    socket.write("HTTP/1.1 200 OK\r\n");
    let sent = 0;
    pour(socket, `x-${"y".repeat(1_000)}: z\r\n`, () => (sent += 1_000) > 100 * 1024 * 1024);
  }, "UPSTREAM_PROTOCOL", 502],
];

test.each(doors.flatMap((door) => unary.map(([what, behaviour, reason, status]) => [door, what, behaviour, reason, status] as const)))("%s: the upstream answers with %s", { timeout: 20_000 }, async (door, _, behaviour, reason, status) => {
  behave = behaviour;
  const reply = await ask(door, false);
  expect([reply.status, reply.reason], reply.text).toEqual([status, reason]);
  expect(JSON.parse(reply.text)).toMatchObject({ error: { message: expect.stringMatching(/vendor|provider up/) as string } });
  expect(await attemptsOf(reply.requestId)).toHaveLength(1);
});

/** After it has begun: the stream ends with an error event. */
const streams: readonly (readonly [what: string, behaviour: Behaviour])[] = [
  ["breaks off", (socket) => void socket.write(sse + chunk, () => setTimeout(() => socket.resetAndDestroy(), 50))],
  ["ends without an end", says(sse + chunk)],
  ["falls silent", saysAndHolds(sse + chunk)],
  ["sends an event of nine megabytes", says(`${sse}${chunk}data: ${"x".repeat(9 * 1024 * 1024)}\n\n`)],
  ["sends a line without end", (socket) => {
    socket.write(`${sse}${chunk}data: `);
    let sent = 0;
    pour(socket, "x".repeat(65_536), () => (sent += 65_536) > 1024 * 1024 * 1024);
  }],
  ["sends what is no JSON", says(`${sse}${chunk}data: {"id":\n\n${done}`)],
  ["sends an error of its own", says(`${sse}${chunk}data: {"error":{"message":"the model fell over","type":"server_error"}}\n\n`)],
];

test.each(doors.flatMap((door) => streams.map(([what, behaviour]) => [door, what, behaviour] as const)))("%s: the upstream's stream %s", { timeout: 20_000 }, async (door, _, behaviour) => {
  behave = behaviour;
  const reply = await ask(door, true);
  expect(reply.status).toBe(200);
  expect(reply.text).toContain('"hi"');
  expect(reply.text.trimEnd().split("\n\n").at(-1)).toMatch(door === "/v1/messages" ? /^event: error\ndata: \{"type":"error"/ : /^data: \{"error":/);
  expect(await attemptsOf(reply.requestId)).toHaveLength(1);
});

test.each(doors)("%s: a stream that goes on after its end is complete, and closed", async (door) => {
  const closed = Promise.withResolvers<void>();
  behave = (socket) => {
    socket.once("close", () => closed.resolve());
    socket.write(sse + chunk + finish + usage(1) + done);
    const again = setInterval(() => socket.write(chunk), 20);
    socket.once("close", () => clearInterval(again));
  };
  const reply = await ask(door, true);
  expect(reply.text).toMatch(door === "/v1/messages" ? /event: message_stop/ : /data: \[DONE\]/);
  await closed.promise;
  expect(await attemptsOf(reply.requestId)).toEqual([AttemptResult.SUCCEEDED]);
});

test("usage that is told twice counts once, as it was told last", async () => {
  behave = says(sse + chunk + finish + usage(3) + usage(5) + done);
  const { requestId } = await ask("/v1/chat/completions", true);
  const [attempt] = await weir.attempts(1, { requestId });
  expect(attempt!.event!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([5n, 5n]);
});

test("a hundred informational answers do no harm", async () => {
  behave = says(`${"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(100)}${ok}content-length: ${completion.length}\r\n\r\n${completion}`);
  expect((await ask("/v1/chat/completions", false)).status).toBe(200);
});

test("all that was no defect of Weir's own, and no connection was made twice for one attempt", () => {
  expect(weir.log().filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
  expect(connections).toBeGreaterThan(0);
});
