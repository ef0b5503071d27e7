/** Owns how many bytes of requests may be held at once, for bodies so large that their number alone bounds nothing. */
import { GatewayError } from "#platform/errors.ts";

export class ByteRoom {
  readonly #maximumBytes: () => number;
  #heldBytes = 0;

  constructor(maximumBytes: () => number) {
    this.#maximumBytes = maximumBytes;
  }

  /** Runs what holds so many bytes. Throws OVERLOADED when there is no room for them beside the others. */
  async hold<Result>(bytes: number, run: () => Promise<Result>): Promise<Result> {
    const maximumBytes = this.#maximumBytes();
    // What is alone may be larger: it has a bound of its own.
    if (this.#heldBytes > 0 && this.#heldBytes + bytes > maximumBytes) {
      throw new GatewayError("OVERLOADED", `Weir holds ${this.#heldBytes} bytes of sound and images, and with this request more than limits.max_media_bytes allows (${maximumBytes}). Try again soon.`, { retryAfterMs: 1_000 });
    }
    this.#heldBytes += bytes;
    try {
      return await run();
    } finally {
      this.#heldBytes -= bytes;
    }
  }
}
