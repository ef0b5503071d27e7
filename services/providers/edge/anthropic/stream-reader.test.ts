import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import { describe, expect, it } from "vitest";
import { StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { anthropicVendor } from "./anthropic-vendor.ts";
import { message, streamEvents, toBytes } from "./fixtures.ts";
import { AnthropicStreamReader } from "./stream-reader.ts";

/** Reads a stream that arrives in these pieces. */
function readAll(pieces: readonly Uint8Array[]): { readonly reader: AnthropicStreamReader; readonly events: StreamGenerateResponse[]; readonly forwarded: Buffer } {
  const reader = new AnthropicStreamReader();
  const splitter = new SseSplitter();
  const events: StreamGenerateResponse[] = [];
  const forwarded: Uint8Array[] = [];
  for (const piece of pieces) {
    for (const event of splitter.push(piece)) {
      const reading = reader.read(event);
      events.push(...reading.toEvents());
      if (reading.forward) forwarded.push(Buffer.from(event.raw));
    }
  }
  return { reader, events, forwarded: Buffer.concat(forwarded) };
}

const read = (...events: readonly { readonly type: string }[]) => readAll([toBytes(events)]);
const bytes = toBytes(streamEvents);

/** The parts that a client puts together from the events. */
function assemble(events: readonly StreamGenerateResponse[]): Record<string, unknown>[] {
  const parts: Record<string, unknown>[] = [];
  for (const { event } of events) {
    if (event.case === "partStart") parts[event.value.partIndex] = { case: event.value.part!.kind.case, ...event.value.part!.kind.value };
    if (event.case !== "partDelta") continue;
    const part = parts[event.value.partIndex]!;
    const { case: field, value } = event.value.delta;
    if (field === "citation") part["citations"] = [...(part["citations"] as unknown[]), value];
    else part[field!] = `${String(part[field!])}${String(value)}`;
  }
  return parts;
}

describe("a streamed reply", () => {
  it("holds the same parts and summary as the whole reply", () => {
    const { reader, events } = readAll([bytes]);
    const whole = anthropicVendor.generate.readReply(Buffer.from(JSON.stringify(message)));
    expect(assemble(events)).toEqual(whole.response.candidates[0]!.message!.parts.map(({ kind }) => ({ case: kind.case, ...kind.value })));
    expect(reader.summary).toEqual(whole.summary);
    expect(reader.finished).toBe(true);
  });

  it("begins with one start, closes with one end, and goes to the caller byte by byte", () => {
    const { events, forwarded } = readAll([bytes]);
    const cases = events.map(({ event }) => event.case);
    expect([cases[0], cases.at(-2), cases.at(-1)]).toEqual(["start", "candidateEnd", "end"]);
    expect(cases.filter((one) => one === "start" || one === "end")).toHaveLength(2);
    expect(forwarded).toEqual(bytes);
  });

  it("reads the same however its bytes are cut", () => {
    const expected = readAll([bytes]);
    const cuts = fastCheck.array(fastCheck.nat(bytes.length), { maxLength: 40 });
    fastCheck.assert(
      fastCheck.property(cuts, (places) => {
        const edges = [0, ...places.toSorted((left, right) => left - right), bytes.length];
        const actual = readAll(edges.slice(1).map((end, index) => bytes.subarray(edges[index], end)));
        expect(actual.events).toEqual(expected.events);
        expect(actual.reader.summary).toEqual(expected.reader.summary);
        expect(actual.reader.output.bytes).toBe(expected.reader.output.bytes);
      }),
      { numRuns: 50 },
    );
  });

  it("survives the wire between services", () => {
    for (const event of readAll([bytes]).events) {
      const copy = fromBinary(StreamGenerateResponseSchema, toBinary(StreamGenerateResponseSchema, event));
      expect(toJson(StreamGenerateResponseSchema, copy)).toEqual(toJson(StreamGenerateResponseSchema, event));
    }
  });

  it("counts the bytes that were generated", () => {
    const texts = ["Let me see…", '{"query":"sky"}', "The sky is blue — “blau”.", '{"colour":"blau 🎨"}', "{}"];
    expect(readAll([bytes]).reader.output.bytes).toBe(Buffer.byteLength(texts.join("")));
  });

  it("knows the exact input as soon as it begins, and that it was cut when it was", () => {
    const { reader } = read(...streamEvents.slice(0, 4));
    expect(reader.finished).toBe(false);
    expect(reader.summary.usage?.quantities[0]).toMatchObject({ quantity: 100n });
    expect(reader.summary.finishReason).toBe("");
  });

  it("lets the caller see pings and kinds of events that nobody knows yet", () => {
    const extra = [{ type: "ping" }, { type: "content_block_glow", index: 0 }];
    const { events, forwarded, reader } = read(...extra.slice(0, 1), ...streamEvents.slice(0, 3), ...extra, ...streamEvents.slice(3));
    expect(events).toEqual(readAll([bytes]).events);
    expect(forwarded.toString()).toContain("content_block_glow");
    expect(reader.finished).toBe(true);
  });

  it("keeps a block that nobody knows yet, with all that its deltas added", () => {
    const { events } = read(
      streamEvents[0],
      { type: "content_block_start", index: 0, content_block: { type: "compaction", content: "a" } } as { type: string },
      { type: "content_block_delta", index: 0, delta: { type: "compaction_delta", content: "b", encrypted_content: "x" } } as { type: string },
      { type: "content_block_stop", index: 0 } as { type: string },
    );
    const part = events[1]!.event.case === "partStart" ? events[1]!.event.value.part : undefined;
    expect(part?.kind.case === "native" && JSON.parse(Buffer.from(part.kind.value.json).toString())).toEqual({ type: "compaction", content: "ab", encrypted_content: "x" });
  });

  it("gives the explanation of a refusal before the end", () => {
    const delta = { stop_reason: "refusal", stop_sequence: null, stop_details: { type: "refusal", category: null, explanation: "No." } };
    const { events } = read(streamEvents[0], { type: "message_delta", delta, usage: { output_tokens: 1 } } as { type: string }, { type: "message_stop" });
    expect(assemble(events)).toMatchObject([{ case: "refusal", text: "No." }]);
  });
});

describe("a stream that fails", () => {
  const start = streamEvents[0];
  it.each([
    ["overloaded_error", "UPSTREAM_UNAVAILABLE"],
    ["api_error", "UPSTREAM_UNAVAILABLE"],
    ["timeout_error", "UPSTREAM_UNAVAILABLE"],
    ["rate_limit_error", "UPSTREAM_RATE_LIMITED"],
    ["invalid_request_error", "UPSTREAM_REJECTED"],
    ["authentication_error", "UPSTREAM_UNAUTHENTICATED"],
    ["brand_new_error", "UPSTREAM_UNAVAILABLE"],
  ])("throws what the event means: %s", (type, reason) => {
    const error = { type: "error", error: { type, message: "m" } };
    expect(() => read(start, error)).toThrow(expect.objectContaining({ reason, metadata: expect.objectContaining({ type }) }));
  });

  it.each([
    ["an event that is no JSON", "event: ping\ndata: {\n\n"],
    ["an event that is no object", "event: ping\ndata: 7\n\n"],
    ["a second start", toBytes([start, start])],
    ["a block before the start", toBytes(streamEvents.slice(1, 2))],
    ["a delta for no block", toBytes([start, streamEvents[2]])],
    ["an end for no block", toBytes([start, streamEvents[5]])],
    ["a block without a place", toBytes([start, { type: "content_block_stop" }])],
    ["more after the end", toBytes([...streamEvents, streamEvents[1]])],
    ["a tool's input that is no JSON", toBytes([start, ...streamEvents.slice(8, 10), streamEvents[11]])],
  ])("is refused as unreadable: %s", (_what, text) => {
    expect(() => readAll([Buffer.from(text)])).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
