import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import type { StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { StreamedReply } from "../../domain/reply/streamed-reply.ts";
import { citation, contentDelta, contentStart, message, messageEnd, streamEvents, toBytes, type CohereEvent } from "./fixtures.ts";
import { readReply } from "./read-reply.ts";
import { CohereStreamReader } from "./stream-reader.ts";

function readAll(pieces: readonly Uint8Array[]) {
  const reader = new CohereStreamReader();
  const splitter = new SseSplitter();
  const events: StreamGenerateResponse[] = [];
  for (const piece of pieces) for (const event of splitter.push(piece)) events.push(...reader.read(event).toEvents());
  return { reader, events };
}

const read = (...events: readonly CohereEvent[]) => readAll([toBytes(events)]);
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
    const whole = readReply(Buffer.from(JSON.stringify(message)));
    expect(assemble(events)).toEqual(whole.response.candidates[0]!.message!.parts.map(({ kind }) => ({ case: kind.case, ...kind.value })));
    expect(reader.summary).toEqual(whole.summary);
    expect(reader).toMatchObject({ finished: true, output: { bytes: Buffer.byteLength('Hm, rivers.🌊🌊: AareI look it up.{"river":"Aare"}{}') } });
    expect(events.at(-2)!.event.value).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "TOOL_CALL" });
    expect(events.at(-1)!.event.value).toMatchObject({ usage: whole.summary.usage! });
  });

  it("begins with one start, ends each part before the next begins, and closes with one end", () => {
    const cases = readAll([bytes]).events.map(({ event }) => event.case);
    expect([cases[0], cases.at(-2), cases.at(-1)]).toEqual(["start", "candidateEnd", "end"]);
    expect(cases.filter((one) => one === "partStart" || one === "partEnd")).toEqual(Array.from({ length: 5 }, () => ["partStart", "partEnd"]).flat());
  });

  it("reads the same however its bytes are cut", () => {
    const expected = readAll([bytes]);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), (places) => {
        const edges = [0, ...places.toSorted((left, right) => left - right), bytes.length];
        const actual = readAll(edges.slice(1).map((end, index) => bytes.subarray(edges[index], end)));
        expect(actual.events).toEqual(expected.events);
        expect(actual.reader.summary).toEqual(expected.reader.summary);
        expect(actual.reader.output.bytes).toBe(expected.reader.output.bytes);
      }),
      { numRuns: 50 },
    );
  });

  it("passes on text that an event of another server brings without a beginning, and log-probabilities", () => {
    const { events } = read({ ...contentDelta(0, { text: "A" }), logprobs: { text: "A", token_ids: [5, 6], logprobs: [-0.5, -0.25] } }, messageEnd("MAX_TOKENS"));
    expect(events.map(({ event }) => event.case)).toEqual(["start", "partStart", "partDelta", "partEnd", "candidateEnd", "end"]);
    expect(events[2]!.event.value).toMatchObject({ delta: { value: "A" }, logprobs: [{ token: "A", logprob: -0.75 }] });
    expect(events.at(-2)!.event.value).toMatchObject({ finishReason: FinishReason.LENGTH });
  });

  it("keeps citations that come before the text they stand with, or after it has ended", () => {
    const early = read(citation(0, { type: "THINKING_CONTENT", start: 0, end: 1, text: "H" }), contentStart(0, { type: "text", text: "A" }), messageEnd("COMPLETE"));
    expect(assemble(early.events)).toMatchObject([{ case: "text", text: "A", citations: [{ citedText: "H" }] }]);
    const late = read(contentStart(0, { type: "thinking", thinking: "H" }), { type: "content-end", index: 0 }, citation(0, { text: "A" }), messageEnd("COMPLETE"));
    expect(assemble(late.events)).toMatchObject([{ case: "reasoning", text: "H" }, { case: "text", text: "", citations: [{ citedText: "A" }] }]);
  });

  it("cites a text also when its content has ended", () => {
    const { events } = read(contentStart(0, { type: "text", text: "A" }), { type: "content-end", index: 0 }, citation(0, { start: 0, end: 1, text: "A" }), messageEnd("COMPLETE"));
    expect(assemble(events)).toMatchObject([{ case: "text", text: "A", citations: [{ citedText: "A", startIndex: 0, endIndex: 1 }] }]);
  });

  it("passes on arguments as they come, but for those that may be null", () => {
    const call = (written: string) => ({ type: "tool-call-delta", index: 0, delta: { message: { tool_calls: { function: { arguments: written } } } } });
    const start = { type: "tool-call-start", index: 0, delta: { message: { tool_calls: { id: "c", function: { name: "f", arguments: "" } } } } };
    const deltas = (...written: string[]) => read(start, ...written.map(call), messageEnd("TOOL_CALL")).events.flatMap(({ event }) => (event.case === "partDelta" ? [event.value.delta.value] : []));
    expect(deltas('{"a":', "null", "}")).toEqual(['{"a":', "null", "}"]);
    expect(deltas("nu", "ll")).toEqual(["{}"]);
    expect(deltas()).toEqual(["{}"]);
  });

  it("goes to a caller of Cohere's own byte by byte, and its text is counted all the same", () => {
    const streamed = new StreamedReply(new CohereStreamReader(), new SseSplitter(), true, [], "m");
    for (const event of new SseSplitter().push(bytes)) streamed.push(event.raw);
    expect(Buffer.from(streamed.take()!.native)).toEqual(bytes);
    expect(streamed).toMatchObject({ complete: true, output: { bytes: readAll([bytes]).reader.output.bytes } });
  });

  it("is not finished before its end has come, and reads nothing behind it", () => {
    const { reader, events } = readAll([toBytes(streamEvents.slice(0, -1))]);
    expect(reader.finished).toBe(false);
    expect(events.at(-1)!.event.case).toBe("partEnd");
    expect(readAll([bytes, Buffer.from("data: [DONE]\n\n"), bytes]).events).toHaveLength(readAll([bytes]).events.length);
  });

  it("fails when Cohere does in the middle of it, and knows what was used", () => {
    const reader = new CohereStreamReader();
    const [failure] = new SseSplitter().push(toBytes([messageEnd("ERROR", { error: "internal" })]));
    expect(() => reader.read(failure!)).toThrow(expect.objectContaining({ reason: "UPSTREAM_UNAVAILABLE" }));
    expect(reader.summary.usage).toBeDefined();
    expect(reader.finished).toBe(false);
  });

  it.each([["no JSON", "data: {\n\n"], ["a call that goes on without a beginning", 'data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{"}}}}}\n\n']])("refuses %s", (_what, text) => {
    expect(() => readAll([Buffer.from(text)])).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
