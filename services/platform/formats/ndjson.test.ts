/** Owns the proof that framing does not depend on how the bytes were cut. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NdjsonSplitter, type NdjsonLine } from "./ndjson.ts";
import { maximumEventBytes } from "./sse.ts";

function split(chunks: readonly Uint8Array[]): NdjsonLine[] {
  const splitter = new NdjsonSplitter();
  const lines = chunks.flatMap((chunk) => splitter.push(chunk));
  const rest = splitter.flush();
  return rest === undefined ? lines : [...lines, rest];
}

describe("NdjsonSplitter", () => {
  it("reads the same lines whatever way the bytes were cut, and keeps every byte", () => {
    fc.assert(
      fc.property(fc.array(fc.json({ maxDepth: 1 }), { maxLength: 6 }), fc.constantFrom("\n", "\r\n"), fc.boolean(), fc.array(fc.nat(), { maxLength: 12 }), (values, end, closes, places) => {
        const text = values.join(end) + (closes && values.length > 0 ? end : "");
        const bytes = Buffer.from(text);
        const offsets = places.map((place) => place % (bytes.length + 1)).sort((left, right) => left - right);
        const lines = split([...offsets, bytes.length].map((offset, index) => bytes.subarray(offsets[index - 1] ?? 0, offset)));
        expect(lines.map(({ data }) => data)).toEqual(values.map((value) => value.trim()));
        expect(Buffer.concat(lines.map(({ raw }) => raw))).toEqual(bytes);
      }),
    );
  });

  it("knows when a line is under way, and reads blank ones as saying nothing", () => {
    const splitter = new NdjsonSplitter();
    expect(splitter.push(Buffer.from("{}\n\r\n")).map(({ data, type }) => [data, type])).toEqual([["{}", ""], ["", ""]]);
    expect(splitter.isBetweenEvents).toBe(true);
    splitter.push(Uint8Array.of(123));
    expect(splitter.isBetweenEvents).toBe(false);
    expect(splitter.flush()?.data).toBe("{");
    expect(splitter.flush()).toBeUndefined();
  });

  it("refuses a line without an end", () => {
    const splitter = new NdjsonSplitter();
    const half = Buffer.alloc(maximumEventBytes / 2, "a");
    splitter.push(half);
    splitter.push(half);
    expect(() => splitter.push(Uint8Array.of(97))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
