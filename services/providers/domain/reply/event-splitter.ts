/** Owns what every way of cutting a streamed reply into events has in common. */

/** One event. */
export interface StreamedEvent {
  /** Empty where the format, or the stream, names none. */
  readonly type: string;
  /** What it says, as text; empty for a comment. */
  readonly data: string;
  /** The bytes that it came in, exactly. */
  readonly raw: Buffer;
}

export interface EventSplitter {
  /** The events that are complete with these bytes. Throws UPSTREAM_PROTOCOL when they cannot be read, or an event exceeds its bound. */
  push(chunk: Uint8Array): StreamedEvent[];
  /** The event that the stream ended in the middle of, where the format lets that be one. */
  flush(): StreamedEvent | undefined;
  /** True when no byte of a further event has come. */
  readonly isBetweenEvents: boolean;
}
