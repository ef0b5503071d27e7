/** Owns the framing of newline-delimited JSON over bytes: one value a line, whatever way the bytes were cut. */
import { GatewayError } from "../errors.ts";
import { maximumEventBytes } from "./sse.ts";

const lineFeed = 10;

/** One line, with the bytes it came in; they are decoded only for those who ask what they say. */
export class NdjsonLine {
  /** Lines have no type. */
  readonly type = "";
  /** The bytes of the line with its line feed, exactly as they came. */
  readonly raw: Buffer;

  constructor(raw: Buffer) {
    this.raw = raw;
  }

  /** What stands on the line; empty for a blank one. */
  get data(): string {
    return this.raw.toString("utf8").trim();
  }
}

/** Cuts a byte stream into lines. */
export class NdjsonSplitter {
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  /** True when no byte of a further line has come. */
  get isBetweenEvents(): boolean {
    return this.#pendingBytes === 0;
  }

  /** The lines that are complete with these bytes. Throws UPSTREAM_PROTOCOL when a line exceeds the bound of an event. */
  push(chunk: Uint8Array): NdjsonLine[] {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: NdjsonLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      lines.push(this.#complete(bytes.subarray(start, end + 1)));
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
    return lines;
  }

  /** The line that the stream ended in the middle of, if any: the last one need not have a line feed. */
  flush(): NdjsonLine | undefined {
    return this.isBetweenEvents ? undefined : this.#complete(Buffer.alloc(0));
  }

  #keep(rest: Buffer): void {
    this.#pending.push(rest);
    this.#pendingBytes += rest.length;
    if (this.#pendingBytes > maximumEventBytes) throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor sent a line of more than ${maximumEventBytes} bytes.`);
  }

  /** Nothing is copied while chunks end where lines end. */
  #complete(end: Buffer): NdjsonLine {
    const raw = this.#pendingBytes === 0 ? end : Buffer.concat([...this.#pending, end]);
    this.#pending = [];
    this.#pendingBytes = 0;
    return new NdjsonLine(raw);
  }
}
