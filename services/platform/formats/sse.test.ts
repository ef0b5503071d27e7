/** Owns the proof that framing does not depend on how the bytes were cut. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maximumEventBytes, SseSplitter, type SseEvent } from "./sse.ts";

interface WrittenEvent {
  readonly type: string;
  readonly lines: readonly string[];
  readonly comment: string | undefined;
}

const lineText = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, " "));
const eventType = fc.constantFrom("", "delta", "message_stop", "größe");
const writtenEvent: fc.Arbitrary<WrittenEvent> = fc.record({
  type: eventType,
  lines: fc.array(lineText, { minLength: 1, maxLength: 3 }),
  comment: fc.option(lineText, { nil: undefined }),
});
const lineEnd = fc.constantFrom("\n", "\r\n");

function write({ type, lines, comment }: WrittenEvent, end: string, space: string): string {
  const written = [
    ...(comment === undefined ? [] : [`:${comment}`]),
    ...(type === "" ? [] : [`event:${space}${type}`]),
    ...lines.map((line) => `data:${space}${line}`),
  ];
  return written.map((line) => line + end).join("") + end;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const offsets = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((left, right) => left - right);
  return [...offsets, bytes.length].map((offset, index) => bytes.slice(offsets[index - 1] ?? 0, offset));
}

function split(chunks: readonly Uint8Array[]): SseEvent[] {
  const splitter = new SseSplitter();
  const events = chunks.flatMap((chunk) => splitter.push(chunk));
  const rest = splitter.flush();
  return rest === undefined ? events : [...events, rest];
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("SseSplitter", () => {
  it("reads the same events whatever way the bytes were cut, and keeps every byte", () => {
    fc.assert(
      fc.property(fc.array(writtenEvent, { maxLength: 6 }), lineEnd, fc.array(fc.nat(), { maxLength: 12 }), (written, end, places) => {
        const bytes = bytesOf(written.map((event) => write(event, end, " ")).join(""));
        const events = split(cut(bytes, places));
        expect(events.map(({ type, data }) => ({ type, data }))).toEqual(written.map(({ type, lines }) => ({ type, data: lines.join("\n") })));
        expect(Buffer.concat(events.map(({ raw }) => raw))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("reads the same events when every byte comes alone", () => {
    const text = 'event: a\r\ndata: {"ü":1}\r\n\r\n: ping\n\ndata:x\n\ndata: [DONE]\n\n';
    const expected = split([bytesOf(text)]);
    expect(split([...bytesOf(text)].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
    expect(expected.map(({ type, data }) => [type, data])).toEqual([["a", '{"ü":1}'], ["", ""], ["", "x"], ["", "[DONE]"]]);
  });

  it("takes one space after the colon away, no more, and keeps what the data ends with", () => {
    const events = split([bytesOf("data:  two \n\ndata:none\n\ndata: tail \t\n\n")]);
    expect(events.map(({ data }) => data)).toEqual([" two ", "none", "tail \t"]);
  });

  it("gives the last event though its blank line is missing", () => {
    expect(split([bytesOf("data: a\n\ndata: b")]).map(({ data }) => data)).toEqual(["a", "b"]);
  });

  it("skips a byte order mark at the beginning", () => {
    expect(split([Uint8Array.of(0xef, 0xbb, 0xbf), bytesOf("data: a\n\n")]).map(({ data }) => data)).toEqual(["a"]);
  });

  it("refuses an event without end, in whatever pieces it comes", () => {
    const splitter = new SseSplitter();
    const piece = new Uint8Array(64 * 1024).fill(120);
    expect(() => {
      for (let bytes = 0; bytes <= maximumEventBytes; bytes += piece.length) splitter.push(piece);
    }).toThrowError(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
