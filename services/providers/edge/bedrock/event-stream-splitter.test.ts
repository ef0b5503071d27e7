import { crc32 } from "node:zlib";
import fastCheck from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { StreamedEvent } from "../../domain/reply/event-splitter.ts";
import { EventStreamSplitter } from "./event-stream-splitter.ts";
import { message, streamEvents, toBytes } from "./fixtures.ts";

const bytes = toBytes(streamEvents);
const protocolError = expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" });

function split(pieces: readonly Uint8Array[]): { readonly events: StreamedEvent[]; readonly splitter: EventStreamSplitter } {
  const splitter = new EventStreamSplitter();
  return { events: pieces.flatMap((piece) => splitter.push(piece)), splitter };
}

/** The same beginning with another length, whose checksum is right. */
function withLengths(total: number, headers: number): Buffer {
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(total, 0);
  prelude.writeUInt32BE(headers, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  return prelude;
}

describe("a stream of binary messages", () => {
  it("is cut into its events, each with the bytes it came in", () => {
    const { events, splitter } = split([bytes]);
    expect(events.map(({ type, data }) => ({ type, payload: JSON.parse(data) as object }))).toEqual(streamEvents);
    expect(Buffer.concat(events.map(({ raw }) => raw))).toEqual(bytes);
    expect(splitter.isBetweenEvents).toBe(true);
  });

  it("is cut the same at every single place and however its bytes come", () => {
    const expected = split([bytes]).events;
    const short = toBytes(streamEvents.slice(0, 3));
    for (let at = 0; at <= short.length; at++) expect(split([short.subarray(0, at), short.subarray(at)]).events).toEqual(expected.slice(0, 3));
    const cuts = fastCheck.array(fastCheck.nat(bytes.length), { maxLength: 40 });
    fastCheck.assert(
      fastCheck.property(cuts, (places) => {
        const edges = [0, ...places.toSorted((left, right) => left - right), bytes.length];
        expect(split(edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))).events).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it("says when an event has begun, and takes none that is not whole", () => {
    const { events, splitter } = split([bytes.subarray(0, bytes.length - 1)]);
    expect(events).toHaveLength(streamEvents.length - 1);
    expect(splitter.isBetweenEvents).toBe(false);
    expect(splitter.flush()).toBeUndefined();
  });

  it("joins the pieces of a long message once, however many they are", () => {
    const long = toBytes([{ type: "contentBlockDelta", payload: { text: "x".repeat(200_000) } }]);
    const pieces = Array.from({ length: Math.ceil(long.length / 100) }, (_, index) => long.subarray(index * 100, (index + 1) * 100));
    const concat = vi.spyOn(Buffer, "concat");
    try {
      expect(split(pieces).events).toHaveLength(1);
      expect(concat.mock.calls.length).toBeLessThanOrEqual(2);
    } finally {
      concat.mockRestore();
    }
  });

  it("tells errors from events", () => {
    const { events } = split([
      message({ ":message-type": "exception", ":exception-type": "throttlingException", ":content-type": "application/json" }, '{"message":"slow down"}'),
      message({ ":message-type": "error", ":error-code": "InternalServerException", ":error-message": "broken" }, ""),
    ]);
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ["exception:throttlingException", '{"message":"slow down"}'],
      ["exception:InternalServerException", '{"message":"broken"}'],
    ]);
  });
});

describe("a stream that cannot be read", () => {
  it("is refused whichever byte of a message was damaged", () => {
    const one = toBytes(streamEvents.slice(0, 1));
    for (let at = 0; at < one.length; at++) {
      const damaged = Buffer.from(one);
      damaged[at]! ^= 0x55;
      expect(() => split([damaged])).toThrow(protocolError);
    }
  });

  it.each([
    ["a message beyond the bound", withLengths(8 * 1024 * 1024 + 1, 0)],
    ["a message shorter than its frame", withLengths(15, 0)],
    ["headers longer than their message", withLengths(100, 85)],
    ["a length with a wrong checksum", Buffer.concat([withLengths(100, 0).subarray(0, 8), Buffer.alloc(4)])],
    ["text in place of messages", Buffer.from("event: messageStart\n\n")],
    ["a message of no known kind", message({ ":event-type": "messageStart" }, "{}")],
  ])("is refused as soon as it shows: %s", (_what, piece) => {
    expect(() => split([piece])).toThrow(protocolError);
  });
});
