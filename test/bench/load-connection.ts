/** Owns one connection of the loader: HTTP/1.1 by hand, because a real client costs as much as the pipe that is to be saturated. */
import { connect, type Socket } from "node:net";

export interface Outcome {
  /** What is wrong with the reply; undefined when it is the expected one. */
  readonly fault: string | undefined;
  readonly latencyMs: number;
  readonly firstByteMs: number;
  readonly reads: number;
}

interface Exchange {
  readonly isReply: (body: Buffer) => boolean;
  readonly startMs: number;
  readonly pieces: Buffer[];
  receivedBytes: number;
  head: Head | undefined;
  firstByteMs: number;
  done(outcome: Outcome): void;
}

interface Head {
  readonly status: string;
  readonly bytes: number;
  /** Undefined when the body comes in chunks. */
  readonly bodyBytes: number | undefined;
}

const endOfHead = Buffer.from("\r\n\r\n");
const endOfChunks = Buffer.from("0\r\n\r\n");

export class LoadConnection {
  readonly #socket: Socket;
  #exchange: Exchange | undefined;

  static open(port: number): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, noDelay: true }, () => resolve(new LoadConnection(socket)));
      socket.once("error", reject);
    });
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#read(bytes));
    socket.on("error", (error) => this.#end(error.message));
    socket.on("close", () => this.#end("connection closed"));
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Sends the request and resolves with how its reply came; one at a time. */
  ask(request: Buffer, isReply: (body: Buffer) => boolean): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#exchange = { isReply, startMs: performance.now(), pieces: [], receivedBytes: 0, head: undefined, firstByteMs: Number.NaN, done: resolve };
      if (this.isOpen) this.#socket.write(request);
      else this.#end("connection closed");
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return void this.#socket.destroy();
    exchange.pieces.push(bytes);
    exchange.receivedBytes += bytes.length;
    exchange.head ??= readHead(exchange.pieces);
    if (exchange.head === undefined || exchange.receivedBytes === exchange.head.bytes) return;
    if (Number.isNaN(exchange.firstByteMs)) exchange.firstByteMs = performance.now() - exchange.startMs;
    if (isComplete(exchange.head, exchange.pieces, exchange.receivedBytes)) this.#end(undefined);
  }

  #end(fault: string | undefined): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    const latencyMs = performance.now() - exchange.startMs;
    this.#exchange = undefined;
    exchange.done({ fault: fault ?? faultOf(exchange), latencyMs, firstByteMs: exchange.firstByteMs, reads: exchange.pieces.length });
  }
}

function readHead(pieces: readonly Buffer[]): Head | undefined {
  const bytes = joined(pieces);
  const end = bytes.indexOf(endOfHead);
  if (end < 0) return undefined;
  const text = bytes.toString("latin1", 0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  return { status: text.slice(9, 12), bytes: end + endOfHead.length, bodyBytes: length === undefined ? undefined : Number(length) };
}

function isComplete(head: Head, pieces: readonly Buffer[], receivedBytes: number): boolean {
  if (head.bodyBytes !== undefined) return receivedBytes >= head.bytes + head.bodyBytes;
  const last = pieces.at(-1)!;
  // No body of the bench has these bytes inside.
  return (last.length < endOfChunks.length ? joined(pieces) : last).subarray(-endOfChunks.length).equals(endOfChunks);
}

function faultOf({ head, pieces, isReply }: Exchange): string | undefined {
  if (head!.status !== "200") return `status ${head!.status}`;
  const raw = joined(pieces).subarray(head!.bytes);
  const body = head!.bodyBytes === undefined ? joinChunks(raw) : raw;
  return isReply(body) ? undefined : "another body than the upstream sent";
}

function joinChunks(raw: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = raw.indexOf("\r\n", at);
    const length = Number.parseInt(raw.toString("latin1", at, lineEnd), 16);
    if (!(length > 0)) return joined(chunks);
    chunks.push(raw.subarray(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 2 + length + 2;
  }
}

function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}
