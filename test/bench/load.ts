/** Owns the callers of the bench: a process that plays a load against a port, checks every reply and takes the times. */
import { chunkIntervalMs, replyBody, requestBody } from "./exchange.ts";
import { LoadConnection } from "./load-connection.ts";
import type { Load, LoadOrder, LoadResult } from "./loads.ts";
import { quantilesOf } from "./statistics.ts";
import { callerRequest, isTranslation, translatedUpstreamBody, upstreamRequest } from "./translated-exchange.ts";

/** Opened before the clock starts; more are opened while all of them are busy. */
const pacedConnections = 32;

process.on("message", (order: LoadOrder) => void play(order).then((result) => process.send!(result)));
process.on("disconnect", () => process.exit());
process.send!({});

async function play({ port, key, ofWeir, load, durationMs }: LoadOrder): Promise<LoadResult> {
  const { pace, chunks } = load;
  const isPaced = "perSecond" in pace;
  const { request, isReply } = exchangeOf(load, ofWeir);
  const callers = new Callers(port, requestOf(key, request), isReply);
  await callers.open(isPaced ? pacedConnections : pace.connections);
  const startMs = performance.now();
  if (isPaced) await askAtRate(callers, pace.perSecond, startMs, durationMs);
  else await keepAsking(callers, pace.connections, startMs + durationMs, chunks * chunkIntervalMs);
  return callers.close(performance.now() - startMs);
}

interface AskedAndExpected {
  readonly request: { readonly path: string; readonly body: Buffer };
  readonly isReply: (body: Buffer) => boolean;
}

function exchangeOf({ chunks, translated }: Load, ofWeir: boolean): AskedAndExpected {
  if (translated === true && ofWeir) return { request: callerRequest(chunks), isReply: (body) => isTranslation(body, chunks) };
  const request = translated === true ? upstreamRequest(chunks) : { path: "/v1/chat/completions", body: requestBody(chunks) };
  const expected = translated === true ? translatedUpstreamBody(chunks) : replyBody(chunks);
  return { request, isReply: (body) => body.equals(expected) };
}

/** Each asks again when it is answered. Streams begin spread over the length of one: they would else begin and end in step for ever. */
async function keepAsking(callers: Callers, connections: number, endMs: number, spreadMs: number): Promise<void> {
  const keepOneAsking = async (_: unknown, place: number): Promise<void> => {
    await sleep((spreadMs * place) / connections);
    while (performance.now() < endMs) await callers.ask();
  };
  await Promise.all(Array.from({ length: connections }, keepOneAsking));
}

/** Asks when it is time, whether or not the former requests are answered. */
async function askAtRate(callers: Callers, perSecond: number, startMs: number, durationMs: number): Promise<void> {
  const asked: Promise<void>[] = [];
  const total = Math.round((perSecond * durationMs) / 1_000);
  while (asked.length < total) {
    await sleep(startMs + (asked.length * 1_000) / perSecond - performance.now());
    asked.push(callers.ask());
  }
  await Promise.all(asked);
}

class Callers {
  readonly #port: number;
  readonly #request: Buffer;
  readonly #isReply: (body: Buffer) => boolean;
  /** The longest idle first, so that none is idle for long. */
  readonly #idle: LoadConnection[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #firstBytesMs: number[] = [];
  readonly #failures: Record<string, number> = {};
  #reads = 0;

  constructor(port: number, request: Buffer, isReply: (body: Buffer) => boolean) {
    this.#port = port;
    this.#request = request;
    this.#isReply = isReply;
  }

  async open(connections: number): Promise<void> {
    this.#idle.push(...(await Promise.all(Array.from({ length: connections }, () => LoadConnection.open(this.#port)))));
  }

  /** Resolves when the reply has come or has failed; rejects only when no connection can be opened. */
  async ask(): Promise<void> {
    const connection = this.#idle.shift() ?? (await LoadConnection.open(this.#port));
    const { fault, latencyMs, firstByteMs, reads } = await connection.ask(this.#request, this.#isReply);
    if (connection.isOpen) this.#idle.push(connection);
    if (fault !== undefined) {
      this.#failures[fault] = (this.#failures[fault] ?? 0) + 1;
      return;
    }
    this.#latenciesMs.push(latencyMs);
    this.#firstBytesMs.push(firstByteMs);
    this.#reads += reads;
  }

  close(elapsedMs: number): LoadResult {
    for (const connection of this.#idle) connection.close();
    const replies = this.#latenciesMs.length;
    return {
      replies,
      failures: this.#failures,
      elapsedMs,
      latencyMs: quantilesOf(this.#latenciesMs),
      firstByteMs: quantilesOf(this.#firstBytesMs),
      readsPerReply: this.#reads / replies,
    };
  }
}

function requestOf(key: string, { path, body }: AskedAndExpected["request"]): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: 127.0.0.1",
    `authorization: Bearer ${key}`,
    "content-type: application/json",
    "accept: application/json, text/event-stream",
    "user-agent: weir-bench",
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}

async function sleep(forMs: number): Promise<void> {
  if (forMs > 0) await new Promise((resolve) => setTimeout(resolve, forMs));
}
