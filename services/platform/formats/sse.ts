/** Owns the framing of server-sent events over bytes: where each event ends, whatever way the bytes were cut. */
import { GatewayError } from "../errors.ts";

/** One event, with the bytes it came in; they are decoded only for those who ask what they say. */
export class SseEvent {
  /** The bytes of the event with its terminating blank line, exactly as they came. */
  readonly raw: Buffer;
  readonly #isFirst: boolean;
  #fields: SseFields | undefined;

  constructor(raw: Buffer, isFirst: boolean) {
    this.raw = raw;
    this.#isFirst = isFirst;
  }

  /** The event's type; empty when the stream names none. */
  get type(): string {
    return this.#read().type;
  }

  /** The data lines, joined by line feeds; empty for a comment. */
  get data(): string {
    return this.#read().data;
  }

  #read(): SseFields {
    return (this.#fields ??= readFields(this.raw.toString("utf8"), this.#isFirst));
  }
}

interface SseFields {
  readonly type: string;
  readonly data: string;
}

const lineFeed = 10;
const carriageReturn = 13;
const byteOrderMark = 0xfeff;

/** The largest event that is accepted (8 MiB); a longer one is an error, so that a stream cannot fill the memory. */
export const maximumEventBytes = 8 * 1024 * 1024;

/** Cuts a byte stream into events. */
export class SseSplitter {
  // What is pending stands from `#start` to `#end`. An event's bytes are a view into this buffer and are never written over.
  #buffer: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #bufferIsOwn = false;
  #searchFrom = 0;
  #isFirst = true;

  /** True when no byte of a further event has come. */
  get isBetweenEvents(): boolean {
    return this.#start === this.#end;
  }

  /** The events that are complete with these bytes. Throws UPSTREAM_PROTOCOL when an event exceeds its bound. */
  push(chunk: Uint8Array): SseEvent[] {
    this.#append(chunk);
    const events: SseEvent[] = [];
    for (;;) {
      const end = endOfEvent(this.#buffer, this.#start, Math.max(this.#start, this.#searchFrom), this.#end);
      if (end < 0) break;
      events.push(this.#cut(end));
    }
    // The terminator may straddle two chunks: look at the last three bytes again.
    this.#searchFrom = Math.max(this.#start, this.#end - 3);
    if (this.#end - this.#start > maximumEventBytes) {
      throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor sent an event of more than ${maximumEventBytes} bytes.`);
    }
    return events;
  }

  /** The event that the stream ended in the middle of, if any: some servers leave out the last blank line. */
  flush(): SseEvent | undefined {
    return this.isBetweenEvents ? undefined : this.#cut(this.#end);
  }

  /** Nothing is copied while chunks end where events end; a long event is copied a bounded number of times. */
  #append(chunk: Uint8Array): void {
    const pendingBytes = this.#end - this.#start;
    if (pendingBytes === 0) {
      this.#buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#bufferIsOwn = false;
      this.#start = 0;
      this.#end = chunk.length;
      this.#searchFrom = 0;
      return;
    }
    if (!this.#bufferIsOwn || this.#end + chunk.length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(pendingBytes * 2, pendingBytes + chunk.length));
      this.#buffer.copy(larger, 0, this.#start, this.#end);
      this.#buffer = larger;
      this.#bufferIsOwn = true;
      this.#searchFrom -= this.#start;
      this.#start = 0;
      this.#end = pendingBytes;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  #cut(end: number): SseEvent {
    const isWhole = this.#start === 0 && end === this.#buffer.length;
    const event = new SseEvent(isWhole ? this.#buffer : this.#buffer.subarray(this.#start, end), this.#isFirst);
    this.#start = end;
    this.#isFirst = false;
    return event;
  }
}

/** The offset behind the blank line that ends the event at `start`, or -1. */
function endOfEvent(bytes: Buffer, start: number, searchFrom: number, end: number): number {
  for (let at = bytes.indexOf(lineFeed, searchFrom); at >= 0 && at < end; at = bytes.indexOf(lineFeed, at + 1)) {
    const previous = at - 1;
    if (previous >= start && bytes[previous] === lineFeed) return at + 1;
    if (previous > start && bytes[previous] === carriageReturn && bytes[previous - 1] === lineFeed) return at + 1;
    // A blank line at the very start of the event belongs to it: nothing came before.
    if (at === start) return at + 1;
    if (at === start + 1 && bytes[start] === carriageReturn) return at + 1;
  }
  return -1;
}

function readFields(decoded: string, isFirst: boolean): SseFields {
  const text = isFirst && decoded.charCodeAt(0) === byteOrderMark ? decoded.slice(1) : decoded;
  // The usual event is a single data line: no need to split it.
  const firstLineEnd = text.indexOf("\n");
  if (firstLineEnd >= text.length - 2 && text.startsWith("data: ") && text.charCodeAt(firstLineEnd - 1) !== carriageReturn) {
    return { type: "", data: text.slice(6, firstLineEnd) };
  }
  let type = "";
  let data: string | undefined;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") type = value;
    if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
  }
  return { type, data: data ?? "" };
}
