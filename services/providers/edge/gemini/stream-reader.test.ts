import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import { describe, expect, it } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { StreamReading, type StreamReader } from "../../domain/adapter.ts";
import { StreamedReply } from "../../domain/reply/streamed-reply.ts";
import { chunks, reply, toBytes } from "./fixtures.ts";
import { geminiVendor } from "./gemini-vendor.ts";

function readerFor(candidateCount = 1): StreamReader {
  const request = geminiVendor.generate.buildRequest(create(GenerationSchema, { candidateCount }), "gemini-2.5-flash", true);
  return geminiVendor.generate.createStreamReader(request);
}

/** Reads a stream that arrives in these pieces, and has come to its end if it can. */
function readAll(pieces: readonly Uint8Array[], reader = readerFor()) {
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
  if (reader.finished) events.push(...new StreamReading(reader.close?.() ?? [], true).toEvents());
  return { reader, events, forwarded: Buffer.concat(forwarded) };
}

const read = (...events: readonly object[]) => readAll([toBytes(events)]);
const bytes = toBytes(chunks);

/** The parts that a client puts together from the events of one candidate. */
function assemble(events: readonly StreamGenerateResponse[], candidateIndex = 0): Record<string, unknown>[] {
  const parts: Record<string, unknown>[] = [];
  for (const { event } of events) {
    if (event.case !== "partStart" && event.case !== "partDelta") continue;
    if (event.value.candidateIndex !== candidateIndex) continue;
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
    const whole = geminiVendor.generate.readReply(Buffer.from(JSON.stringify(reply)));
    expect(assemble(events)).toEqual(whole.response.candidates[0]!.message!.parts.map(({ kind }) => ({ case: kind.case, ...kind.value })));
    expect(reader.summary).toEqual(whole.summary);
    expect(reader.finished).toBe(true);
  });

  it("begins with one start, closes with one end, and goes to the caller byte by byte", () => {
    const { events, forwarded } = readAll([bytes]);
    const cases = events.map(({ event }) => event.case);
    expect([cases[0], cases.at(-2), cases.at(-1)]).toEqual(["start", "candidateEnd", "end"]);
    expect(cases.filter((one) => one === "start" || one === "end" || one === "candidateEnd")).toHaveLength(3);
    expect(forwarded).toEqual(bytes);
  });

  it("opens and closes each part once, and one at a time", () => {
    let open: number | undefined;
    let next = 0;
    for (const { event } of readAll([bytes]).events) {
      if (event.case === "partStart") expect([open, (open = event.value.partIndex)]).toEqual([undefined, next++]);
      if (event.case === "partDelta") expect(event.value.partIndex).toBe(open);
      if (event.case === "partEnd") expect([event.value.partIndex, (open = undefined)]).toEqual([next - 1, undefined]);
    }
    expect([open, next]).toEqual([undefined, 9]);
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

  it("goes on as the bytes that came, with what is generated counted, where the caller speaks Gemini's own form", () => {
    const chunk = (words: string, output: number, finish = "") => `data: {"candidates":[{"content":{"parts":[{"text": "${words}"}]}${finish}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":${output}}}\r\n\r\n`;
    const events = [chunk("Grüße", 1), ": a comment\n\n", chunk(" ", 1), chunk("und", 1), chunk(" 🌊", 2), 'data: {"of":"tomorrow"}\n\n', chunk(".", 5, ',"finishReason":"STOP"')];
    const reply = new StreamedReply(readerFor(), new SseSplitter(), true, [], "m");
    const taken: Uint8Array[] = [];
    for (const event of events) {
      reply.push(Buffer.from(event));
      const native = reply.take()?.native;
      if (native !== undefined) taken.push(native);
    }
    reply.end();
    expect(Buffer.concat(taken).toString()).toBe(events.join(""));
    expect(reply.output.bytes).toBe(Buffer.byteLength("Grüße und 🌊."));
    expect(reply.summary.usage?.quantities.map(({ quantity }) => quantity)).toEqual([3n, 5n]);
  });

  it("survives the wire between services", () => {
    for (const event of readAll([bytes]).events) {
      const copy = fromBinary(StreamGenerateResponseSchema, toBinary(StreamGenerateResponseSchema, event));
      expect(toJson(StreamGenerateResponseSchema, copy)).toEqual(toJson(StreamGenerateResponseSchema, event));
    }
  });

  it("counts the bytes that were generated", () => {
    const texts = ["Let me see…", '{"colour":"blau 🎨"}', "{}", "Der Himmel ist blau 🎨, sagt die NASA."];
    expect(readAll([bytes]).reader.output.bytes).toBe(Buffer.byteLength(texts.join("")));
  });

  it("is not complete before its finish reason, and knows what was counted by then", () => {
    const { reader } = read(...chunks.slice(0, -1), { candidates: [{ index: 0, finishReason: "FINISH_REASON_UNSPECIFIED" }] });
    expect(reader.finished).toBe(false);
    expect(reader.summary.usage?.quantities[0]).toMatchObject({ quantity: 100n });
    expect(reader.summary.finishReason).toBe("");
  });

  it("takes figures that come behind the finish, for the ledger and the caller", () => {
    const { reader, events } = read(...chunks, { usageMetadata: { candidatesTokenCount: 60, totalTokenCount: 187 } });
    expect(events.slice(0, -1)).toEqual(readAll([bytes]).events.slice(0, -1));
    expect(reader.summary.usage?.quantities.find(({ quantity }) => quantity === 60n)).toBeDefined();
    expect(events.at(-1)!.event).toMatchObject({ case: "end", value: { usage: reader.summary.usage } });
  });

  it("ends when every candidate that was asked for has ended", () => {
    const say = (index: number, text: string, finishReason?: string) => ({ candidates: [{ index, content: { parts: [{ text }] }, ...(finishReason === undefined ? {} : { finishReason }) }] });
    const reader = readerFor(2);
    const first = readAll([toBytes([say(0, "a"), say(0, "b", "STOP")])], reader);
    expect(reader.finished).toBe(false);
    const second = readAll([toBytes([say(1, "c", "MAX_TOKENS")])], reader);
    expect(reader.finished).toBe(true);
    const events = [...first.events, ...second.events];
    expect([assemble(events, 0), assemble(events, 1)]).toMatchObject([[{ text: "ab" }], [{ text: "c" }]]);
    expect(events.filter(({ event }) => event.case === "candidateEnd").map(({ event }) => event.value)).toMatchObject([
      { candidateIndex: 0, finishReason: FinishReason.STOP },
      { candidateIndex: 1, finishReason: FinishReason.LENGTH },
    ]);
  });

  it("goes on behind a finish reason that comes too early", () => {
    const say = (text: string) => ({ candidates: [{ content: { parts: [{ text }] }, finishReason: "STOP" }] });
    const { events, reader } = read({ candidates: [{ content: { parts: [] }, finishReason: "STOP" }] }, say("a"), say("b"));
    expect([assemble(events), reader.finished]).toMatchObject([[{ text: "ab" }], true]);
    expect(events.map(({ event }) => event.case)).toEqual(["start", "partStart", "partDelta", "partDelta", "partEnd", "candidateEnd", "end"]);
  });

  it("streams speech as one sound", () => {
    const sound = (data: string) => ({ content: { parts: [{ inlineData: { mimeType: "audio/L16;rate=24000", data } }] } });
    const { events } = read({ candidates: [sound("AQI=")] }, { candidates: [{ ...sound("Aw=="), finishReason: "STOP" }] });
    const pieces = events.flatMap(({ event }) => (event.case === "partDelta" && event.value.delta.case === "audio" ? [...event.value.delta.value] : []));
    expect(pieces).toEqual([1, 2, 3]);
    expect(assemble(events)).toMatchObject([{ case: "audio", media: { mediaType: "audio/L16;rate=24000" } }]);
  });

  it("says that a prompt was blocked", () => {
    const { events, reader } = read({ promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 }, modelVersion: "m", responseId: "r" });
    expect(events.map(({ event }) => event.case)).toEqual(["start", "candidateEnd", "end"]);
    expect(events[1]!.event.value).toMatchObject({ finishReason: FinishReason.CONTENT_FILTER, nativeFinishReason: "PROHIBITED_CONTENT" });
    expect(reader.summary.finishReason).toBe("PROHIBITED_CONTENT");
  });
});

describe("a stream that fails", () => {
  it.each([
    [503, "UNAVAILABLE", "UPSTREAM_UNAVAILABLE"],
    [429, "RESOURCE_EXHAUSTED", "UPSTREAM_RATE_LIMITED"],
    [400, "INVALID_ARGUMENT", "UPSTREAM_REJECTED"],
    ["?", "", "UPSTREAM_UNAVAILABLE"],
  ])("throws what the event means: %s", (code, status, reason) => {
    expect(() => read(chunks[0]!, { error: { code, status, message: "m" } })).toThrow(expect.objectContaining({ reason }));
  });

  it.each(["data: {\n\n", "data: 7\n\n", "data: []\n\n"])("is refused as unreadable: %j", (text) => {
    expect(() => readAll([Buffer.from(text)])).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });

  it("cannot fill the memory with candidates", () => {
    const candidates = Array.from({ length: 129 }, (_, index) => ({ index }));
    expect(() => read({ candidates })).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
