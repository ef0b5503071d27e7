/** Owns the two forms of a streamed reply: server-sent events with `alt=sse`, else one JSON array that grows. */
import type { GatewayError } from "#platform/errors.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { writeStatus } from "./errors.ts";

export interface Framing {
  readonly contentType: string;
  /** One piece, which is a JSON object, in the form of this stream. */
  write(piece: string): string;
  /** The same for bytes of a vendor's own event stream. */
  relay(events: Uint8Array): Uint8Array | string;
  /** What is still to come once all is written. */
  end(): string;
  /** The same for a stream that was cut: what came of a further piece is not written. */
  cut(): string;
}

export function eventFraming(): Framing {
  return {
    contentType: "text/event-stream",
    write: (piece) => `data: ${piece}\r\n\r\n`,
    relay: (events) => events,
    end: () => "",
    cut: () => "",
  };
}

export function arrayFraming(): Framing {
  const splitter = new SseSplitter();
  let opened = false;
  const write = (piece: string): string => {
    const separator = opened ? ",\r\n" : "[";
    opened = true;
    return separator + piece;
  };
  const cut = (): string => (opened ? "]" : "[]");
  return {
    contentType: "application/json; charset=UTF-8",
    write,
    relay: (events) => splitter.push(events).map(({ data }) => (data === "" ? "" : write(data))).join(""),
    end: () => {
      const { data } = splitter.flush() ?? { data: "" };
      return (data === "" ? "" : write(data)) + cut();
    },
    cut,
  };
}

/** An error amid the stream, after which nothing comes. */
export function writeErrorPiece(framing: Framing, error: GatewayError, requestId: string): string {
  return framing.write(JSON.stringify(writeStatus(error, requestId))) + framing.cut();
}
