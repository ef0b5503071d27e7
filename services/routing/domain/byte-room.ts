/** Owns how many bytes of requests may be held at once, for bodies so large that their number alone bounds nothing. */
import { GatewayError } from "#platform/errors.ts";

/** Of requests of which most are text, those up to 1 MiB are not counted: their number bounds them. */
export const smallBytes = 1024 * 1024;

export class ByteRoom {
  readonly #maximumBytes: () => number;
  #heldBytes = 0;

  constructor(maximumBytes: () => number) {
    this.#maximumBytes = maximumBytes;
  }

  /** Runs what holds so many bytes. Throws OVERLOADED when there is no room for them beside the others. */
  async hold<Result>(bytes: number, run: () => Promise<Result>): Promise<Result> {
    const release = this.take(bytes);
    try {
      return await run();
    } finally {
      release();
    }
  }

  /** Takes room for so many bytes until the returned function is called, once. Throws as `hold` does. */
  take(bytes: number): () => void {
    const maximumBytes = this.#maximumBytes();
    // What is alone may be larger: it has a bound of its own.
    if (bytes > 0 && this.#heldBytes > 0 && this.#heldBytes + bytes > maximumBytes) {
      throw new GatewayError("OVERLOADED", `Weir holds ${this.#heldBytes} bytes of sound, images and files, and with this request more than limits.max_media_bytes allows (${maximumBytes}). Try again soon.`, { retryAfterMs: 1_000 });
    }
    this.#heldBytes += bytes;
    return () => (this.#heldBytes -= bytes);
  }
}
