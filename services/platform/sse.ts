/** Owns the framing of server-sent events over bytes: where each event ends, whatever way the bytes were cut. */
import { GatewayError } from "./errors.ts";

/** One event, with the bytes it came in. */
export interface SseEvent {
  /** The event's type; empty when the stream names none. */
  readonly type: string;
  /** The data lines, joined by line feeds; empty for a comment. */
  readonly data: string;
  /** The bytes of the event with its terminating blank line, exactly as they came. */
  readonly raw: Uint8Array;
}

const lineFeed = 10;
const carriageReturn = 13;

/** The largest event that is accepted (8 MiB); a longer one is an error, so that a stream cannot fill the memory. */
export const maximumEventBytes = 8 * 1024 * 1024;

/** Cuts a byte stream into events. */
export class SseSplitter {
  #pending: Buffer = Buffer.alloc(0);
  #searched = 0;

  /** The events that are complete with these bytes. Throws UPSTREAM_PROTOCOL when an event exceeds its bound. */
  push(chunk: Uint8Array): SseEvent[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const events: SseEvent[] = [];
    let start = 0;
    for (;;) {
      const end = endOfEvent(this.#pending, start, Math.max(start, this.#searched));
      if (end < 0) break;
      events.push(parseEvent(this.#pending.subarray(start, end)));
      start = end;
    }
    this.#pending = this.#pending.subarray(start);
    // The terminator may straddle two chunks: look at the last three bytes again.
    this.#searched = Math.max(0, this.#pending.length - 3);
    if (this.#pending.length > maximumEventBytes) {
      throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor sent an event of more than ${maximumEventBytes} bytes.`);
    }
    return events;
  }

  /** The event that the stream ended in the middle of, if any: some servers leave out the last blank line. */
  flush(): SseEvent | undefined {
    const rest = this.#pending;
    this.#pending = Buffer.alloc(0);
    this.#searched = 0;
    return rest.length === 0 ? undefined : parseEvent(rest);
  }
}

/** The offset behind the blank line that ends the event at `start`, or -1. */
function endOfEvent(bytes: Buffer, start: number, searchFrom: number): number {
  for (let at = bytes.indexOf(lineFeed, searchFrom); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) {
    const previous = at - 1;
    if (previous >= start && bytes[previous] === lineFeed) return at + 1;
    if (previous > start && bytes[previous] === carriageReturn && bytes[previous - 1] === lineFeed) return at + 1;
    // A blank line at the very start of the event belongs to it: nothing came before.
    if (at === start) return at + 1;
    if (at === start + 1 && bytes[start] === carriageReturn) return at + 1;
  }
  return -1;
}

function parseEvent(raw: Buffer): SseEvent {
  const text = raw.toString("utf8");
  // The usual event is a single data line: no need to split it.
  if (text.startsWith("data: ") && text.indexOf("\n") >= text.length - 2) {
    return { type: "", data: text.slice(6).trimEnd(), raw };
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
  return { type, data: data ?? "", raw };
}
