/** Owns the bound on how many bytes of large requests this process holds at once. */
import { GatewayError } from "#platform/errors.ts";

/** Of requests up to 1 MiB nothing is counted: their number bounds them. */
export const smallBytes = 1024 * 1024;

interface Holder {
  whenOver(callback: () => void): void;
}

export class ByteRoom {
  readonly #maximumBytes: () => number;
  #heldBytes = 0;

  constructor(maximumBytes: () => number) {
    this.#maximumBytes = maximumBytes;
  }

  /** Counts what one request holds until it is over: to be told how much that is, each time that it grows. Throws OVERLOADED when there is no room for it beside the others. */
  countFor(holder: Holder): (bytes: number) => void {
    let ownBytes = 0;
    return (bytes) => {
      if (bytes <= Math.max(smallBytes, ownBytes)) return;
      this.#grow(ownBytes, bytes);
      if (ownBytes === 0) holder.whenOver(() => (this.#heldBytes -= ownBytes));
      ownBytes = bytes;
    };
  }

  #grow(ownBytes: number, bytes: number): void {
    const otherBytes = this.#heldBytes - ownBytes;
    const maximumBytes = this.#maximumBytes();
    // What is alone may be larger: it has a bound of its own.
    if (otherBytes > 0 && otherBytes + bytes > maximumBytes) {
      throw new GatewayError("OVERLOADED", `Weir holds ${otherBytes} bytes of large requests, and with this one more than limits.max_media_bytes allows (${maximumBytes}). Try again soon.`, { retryAfterMs: 1_000 });
    }
    this.#heldBytes = otherBytes + bytes;
  }
}
