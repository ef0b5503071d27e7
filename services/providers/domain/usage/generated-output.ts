/** Owns how much a reply generated, and the beginning of it: what usage is estimated from where the vendor reports none. */

/** The most of what a reply generated that is kept to be counted. */
const maximumKeptBytes = 256 * 1024;

export interface Output {
  /** In UTF-8. */
  readonly bytes: number;
  /** Text as it was generated, or a whole body in which it stands. */
  readonly form: "text" | "body";
  /** The beginning of it, or all. */
  readonly kept: Uint8Array;
}

/** Nothing of it is text. */
export const noOutput: Output = { bytes: 0, form: "text", kept: new Uint8Array() };

/** The texts, arguments and reasoning of a streamed reply in the order in which they come. */
export class GeneratedText implements Output {
  readonly form = "text";
  #room = Buffer.alloc(0);
  #keptBytes = 0;
  bytes = 0;

  add(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.#keepsOn(bytes)) this.#keptBytes += this.#room.write(text, this.#keptBytes);
    this.bytes += bytes;
  }

  addBytes(source: Buffer, start: number, end: number): void {
    if (this.#keepsOn(end - start)) {
      const keptEnd = Math.min(end, start + this.#room.length - this.#keptBytes);
      // By hand: these are a few bytes, for which Buffer.copy takes ten times as long.
      for (let at = start; at < keptEnd; at++) this.#room[this.#keptBytes++] = source[at]!;
    }
    this.bytes += end - start;
  }

  get kept(): Uint8Array {
    return this.#room.subarray(0, this.#keptBytes);
  }

  /** Makes room for what comes, as far as there may be more; false once something was not kept whole. */
  #keepsOn(bytes: number): boolean {
    if (this.#keptBytes < this.bytes) return false;
    const needed = Math.min(maximumKeptBytes, this.#keptBytes + bytes);
    if (needed > this.#room.length) {
      const larger = Buffer.alloc(Math.min(maximumKeptBytes, Math.max(1024, 2 * needed)));
      this.#room.copy(larger);
      this.#room = larger;
    }
    return true;
  }
}

/** The body of a reply in one piece. */
export class ReceivedBody implements Output {
  readonly form = "body";
  readonly #chunks: Buffer[] = [];
  bytes = 0;

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
  }

  get kept(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
  }
}
