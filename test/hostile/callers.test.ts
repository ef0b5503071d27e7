/** Owns the proof that no caller, whatever it sends, gets more than a clear refusal, and harms nobody else. */
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { openRawConnection } from "../harness/raw-connection.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const megabyte = 1024 * 1024;
const completion = { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, completion));
  weir = await startWeir({ config: `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, limits: { max_body_bytes: 1048576 }, logging: { level: warn } }` });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});
// Whatever was done to it, Weir serves the next caller, and found no defect of its own.
afterEach(async () => {
  upstream.answerWith(json(200, completion));
  const { status } = await ask("/v1/chat/completions", JSON.stringify({ model: "up/m", messages: [{ role: "user", content: "hello" }] }));
  expect(status).toBe(200);
  expect(weir.log().filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
});

const paths = ["/v1/chat/completions", "/v1/messages"] as const;

async function ask(path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  const all = { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json", ...headers };
  const response = await fetch(weir.origin + path, { method: "POST", headers: all, body });
  return { status: response.status, text: await response.text() };
}

function head(path: string, ...lines: string[]): string {
  return [`POST ${path} HTTP/1.1`, "host: weir", `authorization: Bearer ${weir.inferenceKey}`, "content-type: application/json", ...lines, "", ""].join("\r\n");
}

/** An error as the dialect of the path writes it. */
function expectRefusal(path: string, { status, text }: { status: number; text: string }): void {
  expect(status, text).toBeGreaterThanOrEqual(400);
  expect(status, text).toBeLessThan(500);
  const message = { message: expect.any(String) as string, type: expect.any(String) as string };
  expect(JSON.parse(text)).toMatchObject(path === "/v1/messages" ? { type: "error", error: message } : { error: message });
}

function residentBytes(): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${weir.processes[0]!.pid}/status`, "utf8"))!;
  return Number(kilobytes) * 1024;
}

describe("time and size", () => {
  test.concurrent("headers that never end are cut off", { timeout: 30_000 }, async () => {
    const connection = await openRawConnection(weir.origin);
    await connection.send("POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\nx-slow: ");
    expect(await connection.closed).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("a body that breaks off is no request", async () => {
    const before = upstream.requests.length;
    const connection = await openRawConnection(weir.origin);
    await connection.send(`${head("/v1/chat/completions", "content-length: 1000")}{"model":`);
    connection.socket.end();
    await connection.closed;
    expect(upstream.requests.length).toBe(before);
  });

  test.each(paths)("%s: a body without end is refused early, and not kept", async (path) => {
    const before = residentBytes();
    const connection = await openRawConnection(weir.origin);
    await connection.send(head(path, "transfer-encoding: chunked"));
    const piece = Buffer.alloc(megabyte, " ");
    let sentMegabytes = 0;
    while (!connection.socket.destroyed && sentMegabytes < 1_024) {
      await connection.send(`${piece.length.toString(16)}\r\n`);
      await connection.send(piece);
      await connection.send("\r\n");
      sentMegabytes++;
    }
    expect(await connection.closed).toMatch(/^HTTP\/1\.1 413 /);
    expect(sentMegabytes).toBeLessThan(100);
    expect(residentBytes() - before).toBeLessThan(200 * megabyte);
  });

  test.each(paths)("%s: a compressed body is refused by name", async (path) => {
    const reply = await ask(path, gzipSync(JSON.stringify({ model: "up/m", max_tokens: 5, messages: [{ role: "user", content: "hello" }] })), { "content-encoding": "gzip" });
    expectRefusal(path, reply);
    expect(reply.text).toMatch(/content-encoding|gzip|compress/i);
  });

  test("headers and addresses beyond their bounds are refused", async () => {
    const long = "x".repeat(100_000);
    for (const request of [`GET /v1/models?${long} HTTP/1.1\r\nhost: weir\r\n\r\n`, `GET /v1/models HTTP/1.1\r\nhost: weir\r\nx-long: ${long}\r\n\r\n`]) {
      const connection = await openRawConnection(weir.origin);
      await connection.send(request);
      expect(await connection.closed).toMatch(/^HTTP\/1\.1 4(31|14) /);
    }
  });
});

describe("requests that are none", () => {
  test.each([
    ["two lengths", "content-length: 5\r\ncontent-length: 6"],
    ["a length and chunks", "content-length: 5\r\ntransfer-encoding: chunked"],
    ["an unknown encoding", "transfer-encoding: identity, chunked, cow"],
    ["a negative length", "content-length: -1"],
  ])("%s", async (_, lines) => {
    const before = upstream.requests.length;
    const connection = await openRawConnection(weir.origin);
    await connection.send(`${head("/v1/chat/completions", ...lines.split("\r\n"))}0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: weir\r\n\r\n`);
    expect(await connection.closed).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(connection.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(upstream.requests.length).toBe(before);
  });

  test.each(["CONNECT weir:443 HTTP/1.1", "TRACE / HTTP/1.1", "PROPFIND /v1/models HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://elsewhere/v1/models HTTP/1.1", "GET //v1//models HTTP/1.1", "GET /v1/models/../../weir.policy.v1.PolicyService/ListKeys HTTP/1.1", "POST /v1/models HTTP/1.1"])("%s is refused", async (line) => {
    const connection = await openRawConnection(weir.origin);
    await connection.send(`${line}\r\nhost: weir\r\nconnection: close\r\nauthorization: Bearer ${weir.inferenceKey}\r\ncontent-length: 0\r\n\r\n`);
    expect(await connection.closed).toMatch(/^(HTTP\/1\.1 (204|4\d\d) |$)/);
  });

  test("an upgrade is answered as if nobody had asked", async () => {
    const connection = await openRawConnection(weir.origin);
    await connection.send(`GET /v1/models HTTP/1.1\r\nhost: weir\r\nconnection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-key: eA==\r\nauthorization: Bearer ${weir.inferenceKey}\r\n\r\n`);
    expect(await connection.closed).toMatch(/^HTTP\/1\.1 (200|4\d\d) /);
  });

  test("requests in one packet are answered in their order", async () => {
    const body = JSON.stringify({ model: "up/m", messages: [{ role: "user", content: "hello" }] });
    const connection = await openRawConnection(weir.origin);
    const one = (close: string): string => `${head("/v1/chat/completions", `content-length: ${body.length}`, `connection: ${close}`)}${body}`;
    await connection.send(one("keep-alive") + one("keep-alive") + one("close"));
    expect((await connection.closed).match(/HTTP\/1\.1 200 /g)).toHaveLength(3);
  });
});

describe("JSON that is none, or no request", () => {
  const deep = (levels: number): string => `{"model":"up/m","max_tokens":5,"messages":[{"role":"user","content":${"[".repeat(levels)}${"]".repeat(levels)}}]}`;
  const deepTool = (levels: number): string => `{"model":"up/m","max_tokens":5,"tools":[{"name":"f","input_schema":${'{"not":'.repeat(levels)}{}${"}".repeat(levels)}}],"messages":[{"role":"user","content":"hi"}]}`;
  const bodies: readonly (readonly [name: string, body: string | Uint8Array<ArrayBuffer>])[] = [
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["half of it", '{"model":"up/m","messages":['],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ["a prototype", '{"__proto__":{"model":"up/m"},"constructor":{"prototype":{"model":"up/m"}},"messages":[]}'],
  ];
  test.each(paths.flatMap((path) => bodies.map(([name, body]) => [path, name, body] as const)))("%s: %s is refused", async (path, _, body) => {
    expectRefusal(path, await ask(path, body));
  });

  // To a vendor of the same dialect they go as they came: it may judge them otherwise.
  test.each(paths)("%s: what one may or may not take for a request does no harm", async (path) => {
    for (const body of [deep(100_000), deepTool(20_000), '{"model":"up/m","max_tokens":1e999,"messages":[{"role":"user","content":"hi"}]}', '{"model":"up/m","max_tokens":5,"messages":[{"role":"user","content":"\\ud800"}]}', '{"model":"nobody/x","model":"up/m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}']) {
      const reply = await ask(path, body);
      if (reply.status !== 200) expectRefusal(path, reply);
    }
  });

  const valid = {
    "/v1/chat/completions": { model: "up/m", max_tokens: 5, temperature: 0.5, stop: ["x"], n: 1, tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }], tool_choice: "auto", response_format: { type: "text" }, messages: [{ role: "system", content: "s" }, { role: "user", content: [{ type: "text", text: "t" }] }, { role: "assistant", content: null, tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }] }, { role: "tool", tool_call_id: "1", content: "r" }] },
    "/v1/messages": { model: "up/m", max_tokens: 5, temperature: 0.5, stop_sequences: ["x"], system: [{ type: "text", text: "s" }], tools: [{ name: "f", input_schema: { type: "object" } }], tool_choice: { type: "auto" }, thinking: { type: "disabled" }, messages: [{ role: "user", content: [{ type: "text", text: "t" }] }, { role: "assistant", content: [{ type: "tool_use", id: "1", name: "f", input: {} }] }, { role: "user", content: [{ type: "tool_result", tool_use_id: "1", content: "r" }] }] },
  };

  test.each(paths)("%s: whatever is put in the place of whatever field, the answer is a reply or a clear refusal", { timeout: 60_000 }, async (path) => {
    const places = placesIn(valid[path]);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), fc.jsonValue({ maxDepth: 2 }), async (place, value) => {
        const reply = await ask(path, JSON.stringify(replaced(valid[path], place, value)));
        if (reply.status !== 200) expectRefusal(path, reply);
      }),
      { numRuns: 300 },
    );
  });
});

describe("HTTP/2", () => {
  const preface = (): http2.OutgoingHttpHeaders => ({ ":method": "POST", ":path": "/v1/chat/completions", authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" });

  test("streams opened and reset at once, by the thousand", { timeout: 60_000 }, async () => {
    const before = residentBytes();
    const session = http2.connect(weir.origin);
    session.on("error", () => undefined);
    for (let round = 0; round < 50 && !session.destroyed; round++) {
      for (let index = 0; index < 100; index++) {
        const stream = session.request(preface());
        stream.on("error", () => undefined);
        stream.close(http2.constants.NGHTTP2_CANCEL);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    session.destroy();
    expect(residentBytes() - before).toBeLessThan(200 * megabyte);
  });

  test("headers beyond their bound", async () => {
    const session = http2.connect(weir.origin);
    session.on("error", () => undefined);
    const stream = session.request({ ...preface(), "x-long": "x".repeat(200_000) });
    const ended = await new Promise<string>((resolve) => {
      stream.on("error", (error) => resolve(error.message));
      stream.on("response", (headers) => resolve(String(headers[":status"])));
      session.on("close", () => resolve("closed"));
    });
    expect(ended).not.toBe("200");
    session.destroy();
  });
});

describe("callers who never read", () => {
  const places = 3;
  const requestTimeoutMs = 2_000;
  /** What the kernel and HTTP/2's windows take for a caller who does not read is less. */
  const long = { ...completion, choices: [{ ...completion.choices[0], message: { role: "assistant", content: "x".repeat(16 * megabyte) } }] };
  const bodyOf = (stream: boolean): string => JSON.stringify({ model: "up/m", stream, messages: [{ role: "user", content: "hello" }] });
  let bounded: Weir;
  beforeAll(async () => {
    bounded = await startWeir({ config: `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, limits: { max_concurrent_requests: ${places}, request_timeout: ${requestTimeoutMs / 1_000}s } }` });
  });
  afterAll(() => bounded?.stop());

  test.each([
    ["a whole reply over HTTP/1.1", false, callOverHttp1],
    ["a stream over HTTP/1.1", true, callOverHttp1],
    ["a whole reply over HTTP/2", false, callOverHttp2],
    ["a stream over HTTP/2", true, callOverHttp2],
  ])("%s: their places are others' soon after the request's time is up", { timeout: 30_000 }, async (_, isStream, call) => {
    upstream.answerWith(isStream ? endlessAnswer(`data: ${JSON.stringify({ ...completion, object: "chat.completion.chunk", choices: [{ index: 0, delta: { content: "x".repeat(8_000) }, finish_reason: null }] })}\n\n`).answer : json(200, long));
    const seen = upstream.requests.length;
    const leave = await Promise.all(Array.from({ length: places }, () => call(bodyOf(isStream))));
    await upstream.request(seen + places - 1);
    const status = async (): Promise<number> => (await fetch(`${bounded.origin}/v1/models`, { headers: { authorization: `Bearer ${bounded.inferenceKey}` } })).status;
    expect(await status()).toBe(503);
    await expect.poll(status, { timeout: requestTimeoutMs + 5_000 }).toBe(200);
    for (const one of leave) one();
  });

  test("a caller who is still sending when the request's time is up is told so", { timeout: 30_000 }, async () => {
    const connection = await openRawConnection(bounded.origin);
    await connection.send(["POST /v1/chat/completions HTTP/1.1", "host: weir", `authorization: Bearer ${bounded.inferenceKey}`, "content-length: 100000", "", ""].join("\r\n"));
    const dripping = setInterval(() => void connection.send(" "), 100);
    await expect.poll(() => connection.received, { timeout: requestTimeoutMs + 2_000 }).toMatch(/^HTTP\/1\.1 504 [^]*x-weir-reason: DEADLINE_EXCEEDED/);
    clearInterval(dripping);
    connection.socket.destroy();
  });

  async function callOverHttp1(body: string): Promise<() => void> {
    const connection = await openRawConnection(bounded.origin);
    connection.socket.pause();
    await connection.send(`${["POST /v1/chat/completions HTTP/1.1", "host: weir", `authorization: Bearer ${bounded.inferenceKey}`, `content-length: ${body.length}`, "", ""].join("\r\n")}${body}`);
    return () => connection.socket.destroy();
  }

  async function callOverHttp2(body: string): Promise<() => void> {
    const session = http2.connect(bounded.origin);
    const stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions", authorization: `Bearer ${bounded.inferenceKey}` });
    for (const one of [session, stream]) one.on("error", () => undefined);
    stream.end(body);
    return () => session.destroy();
  }
});

describe("callers of streams", () => {
  const chunk = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content: "x".repeat(8_000) }, finish_reason: null }] })}\n\n`;
  const streamBody = JSON.stringify({ model: "up/m", stream: true, messages: [{ role: "user", content: "hello" }] });

  test("one that does not read makes the vendor wait", { timeout: 60_000 }, async () => {
    const endless = endlessAnswer(chunk);
    upstream.answerWith(endless.answer);
    const before = residentBytes();
    const connection = await openRawConnection(weir.origin);
    connection.socket.pause();
    await connection.send(`${head("/v1/chat/completions", `content-length: ${streamBody.length}`)}${streamBody}`);
    await expect.poll(endless.waits, { timeout: 30_000, interval: 500 }).toBe(true);
    expect(endless.writtenBytes()).toBeLessThan(32 * megabyte);
    expect(residentBytes() - before).toBeLessThan(100 * megabyte);
    connection.socket.destroy();
    await (await upstream.request(upstream.requests.length - 1)).aborted;
  });

  test.each([
    ["/v1/chat/completions", "application/json", Buffer.from(streamBody)],
    ["/weir.inference.v1.InferenceService/StreamGenerate", "application/connect+json", connectMessage({ generation: { model: "up/m", messages: [{ role: "ROLE_USER", parts: [{ text: { text: "hello" } }] }] } })],
  ])("%s: the request of one that reads late, and asks nothing more, is over", { timeout: 60_000 }, async (path, contentType, body) => {
    const endless = endlessAnswer(chunk);
    upstream.answerWith(endless.answer);
    const cancelled = (): number => weir.log().filter(({ msg, error }) => msg === "request failed" && (error as { reason: string }).reason === "CANCELLED").length;
    const before = cancelled();
    const connection = await openRawConnection(weir.origin);
    connection.socket.pause();
    await connection.send([`POST ${path} HTTP/1.1`, "host: weir", `authorization: Bearer ${weir.inferenceKey}`, `content-type: ${contentType}`, `content-length: ${body.length}`, "", ""].join("\r\n"));
    await connection.send(body);
    await expect.poll(endless.waits, { timeout: 30_000, interval: 500 }).toBe(true);
    // What has been written goes out, and nothing says that more could be.
    connection.socket.end();
    connection.socket.resume();
    await expect.poll(cancelled, { timeout: 10_000 }).toBe(before + 1);
  });

  test("200 that leave at once: every vendor's connection is closed, each attempt stands once", { timeout: 60_000 }, async () => {
    const callers = 200;
    upstream.answerWith((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(chunk);
    });
    const before = upstream.requests.length;
    const known = (await weir.attempts(0)).length;
    const connections = await Promise.all(Array.from({ length: callers }, () => openRawConnection(weir.origin)));
    for (const connection of connections) await connection.send(`${head("/v1/chat/completions", `content-length: ${streamBody.length}`)}${streamBody}`);
    await expect.poll(() => connections.filter(({ received }) => received.includes("chunk")).length, { timeout: 20_000 }).toBe(callers);
    for (const { socket } of connections) socket.destroy();
    await Promise.all(upstream.requests.slice(before).map(({ aborted }) => aborted));
    expect(upstream.requests.length - before).toBe(callers);
    const attempts = (await weir.attempts(known + callers)).slice(0, callers);
    for (const { event } of attempts) expect(event!.outcome!.result).toBe(AttemptResult.CANCELLED);
  });
});

/** An answer that never ends. It waits when nothing was written from one look to the next, because nobody reads. */
function endlessAnswer(chunk: string): { answer: Answer; writtenBytes: () => number; waits: () => boolean } {
  let written = 0;
  let isWaiting = false;
  let last = -1;
  const answer: Answer = async (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    while (!response.destroyed) {
      written += chunk.length;
      if (!response.write(chunk)) {
        isWaiting = true;
        await new Promise<void>((resolve) => {
          response.once("drain", () => resolve());
          response.once("close", () => resolve());
        });
        isWaiting = false;
      } else await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const waits = (): boolean => {
    const isStill = isWaiting && written === last;
    last = written;
    return isStill;
  };
  return { answer, writtenBytes: () => written, waits };
}

/** A message of a stream as Connect frames it. */
function connectMessage(message: object): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(json.length, 1);
  return Buffer.concat([head, json]);
}

type Place = readonly (string | number)[];

/** The paths of all values in a JSON value. */
function placesIn(value: unknown, place: Place = []): Place[] {
  const below = typeof value === "object" && value !== null ? Object.entries(value).flatMap(([key, member]) => placesIn(member, [...place, Array.isArray(value) ? Number(key) : key])) : [];
  return place.length === 0 ? below : [place, ...below];
}

function replaced(value: unknown, [first, ...rest]: Place, by: unknown): unknown {
  if (first === undefined) return by;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[first] = replaced(copy[first], rest, by);
  return copy;
}
