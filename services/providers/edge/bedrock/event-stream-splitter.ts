/** Owns the framing of `application/vnd.amazon.eventstream`: binary messages, each with its length, its headers and two checksums. */
import { crc32 } from "node:zlib";
import { EventStreamCodec } from "@smithy/eventstream-codec";
import { GatewayError } from "#platform/errors.ts";
import { maximumEventBytes } from "#platform/formats/sse.ts";
import type { EventSplitter, StreamedEvent } from "../../domain/reply/event-splitter.ts";

/** What stands before the type of an event that is an error. */
export const exceptionPrefix = "exception:";

/** Source: https://smithy.io/2.0/aws/amazon-eventstream.html; total length, headers' length, and the checksum of both. */
const preludeBytes = 12;
/** The prelude and the checksum of the message. */
const smallestMessageBytes = 16;

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")),
  (text) => Buffer.from(text, "utf8"),
);

/** An event's type is its `:event-type`, or for an error exceptionPrefix and the error's name; its data is JSON. */
export class EventStreamSplitter implements EventSplitter {
  #chunks: Buffer[] = [];
  #bytes = 0;
  // Chunks are joined only once a whole message has come, so that each byte is copied a bounded number of times.
  #neededBytes = preludeBytes;

  get isBetweenEvents(): boolean {
    return this.#bytes === 0;
  }

  push(chunk: Uint8Array): StreamedEvent[] {
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#bytes += chunk.byteLength;
    if (this.#bytes < this.#neededBytes) return [];
    const events: StreamedEvent[] = [];
    let pending = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    for (;;) {
      this.#neededBytes = lengthOf(pending);
      if (pending.length < this.#neededBytes) break;
      events.push(readMessage(pending.subarray(0, this.#neededBytes)));
      pending = pending.subarray(this.#neededBytes);
    }
    this.#chunks = pending.length === 0 ? [] : [pending];
    this.#bytes = pending.length;
    return events;
  }

  /** A message that is not whole is none. */
  flush(): undefined {
    return undefined;
  }
}

/** The length of the message that begins here, or of its prelude while that is not whole. */
function lengthOf(pending: Buffer): number {
  if (pending.length < preludeBytes) return preludeBytes;
  // Before the length is believed: a wrong one would be waited for.
  if (crc32(pending.subarray(0, 8)) !== pending.readUInt32BE(8)) throw protocolError("a checksum is wrong");
  const length = pending.readUInt32BE(0);
  if (length > maximumEventBytes) throw protocolError(`an event has more than ${maximumEventBytes} bytes`);
  if (length < smallestMessageBytes || pending.readUInt32BE(4) > length - smallestMessageBytes) throw protocolError("an event has an impossible length");
  return length;
}

function readMessage(raw: Buffer): StreamedEvent {
  const { headers, body } = decode(raw);
  const textOf = (name: string): string => {
    const value = headers[name]?.value;
    return typeof value === "string" ? value : "";
  };
  switch (textOf(":message-type")) {
    case "event":
      return { type: textOf(":event-type"), data: Buffer.from(body).toString("utf8"), raw };
    case "exception":
      return { type: exceptionPrefix + textOf(":exception-type"), data: Buffer.from(body).toString("utf8"), raw };
    case "error":
      return { type: exceptionPrefix + textOf(":error-code"), data: JSON.stringify({ message: textOf(":error-message") }), raw };
    default:
      throw protocolError("a message is neither an event nor an error");
  }
}

function decode(raw: Buffer): ReturnType<EventStreamCodec["decode"]> {
  try {
    return codec.decode(raw);
  } catch (error) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock's stream cannot be read: a message is damaged.", { cause: error });
  }
}

function protocolError(problem: string): GatewayError {
  return new GatewayError("UPSTREAM_PROTOCOL", `Bedrock's stream cannot be read: ${problem}.`);
}
