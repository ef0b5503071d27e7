import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import type { StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { NdjsonSplitter } from "#platform/formats/ndjson.ts";
import { StreamedReply } from "../../domain/reply/streamed-reply.ts";
import { line, lines, reply, toBytes } from "./fixtures.ts";
import { readReply } from "./read-reply.ts";
import { OllamaStreamReader } from "./stream-reader.ts";

function readAll(pieces: readonly Uint8Array[]) {
  const reader = new OllamaStreamReader();
  const splitter = new NdjsonSplitter();
  const events: StreamGenerateResponse[] = [];
  for (const piece of pieces) for (const event of splitter.push(piece)) events.push(...reader.read(event).toEvents());
  return { reader, events };
}

const bytes = toBytes(lines);
const cutsOf = (places: readonly number[]) => [0, ...places.toSorted((left, right) => left - right), bytes.length];
const places = fc.array(fc.nat(bytes.length), { maxLength: 40 });

/** The parts that a client puts together from the events. */
function assemble(events: readonly StreamGenerateResponse[]): Record<string, unknown>[] {
  const parts: Record<string, unknown>[] = [];
  for (const { event } of events) {
    if (event.case === "partStart") parts[event.value.partIndex] = { case: event.value.part!.kind.case, ...event.value.part!.kind.value };
    if (event.case !== "partDelta") continue;
    const part = parts[event.value.partIndex]!;
    part[event.value.delta.case!] = `${String(part[event.value.delta.case!])}${String(event.value.delta.value)}`;
  }
  return parts;
}

describe("a streamed reply", () => {
  it("holds the same parts and summary as the whole reply", () => {
    const { reader, events } = readAll([bytes]);
    const whole = readReply(Buffer.from(JSON.stringify(reply)));
    expect(assemble(events)).toEqual(whole.response.candidates[0]!.message!.parts.map(({ kind }) => ({ case: kind.case, ...kind.value })));
    expect(reader.summary).toEqual(whole.summary);
    expect(reader).toMatchObject({ finished: true, output: { bytes: Buffer.byteLength('Hm, rivers.A weir 🌊 …{"river":"Aare"}{}') } });
    expect(events[0]!.event.value).toMatchObject({ model: "qwen3:8b", createTime: { seconds: 1_751_919_739n } });
    expect(events.at(-2)!.event.value).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "stop" });
    expect(events.at(-1)!.event.value).toMatchObject({ usage: whole.summary.usage! });
  });

  it("begins with one start, ends each part before the next begins, and closes with one end", () => {
    const cases = readAll([bytes]).events.map(({ event }) => event.case);
    expect([cases[0], cases.at(-2), cases.at(-1)]).toEqual(["start", "candidateEnd", "end"]);
    expect(cases.filter((one) => one === "partStart" || one === "partEnd")).toEqual(Array.from({ length: 4 }, () => ["partStart", "partEnd"]).flat());
  });

  it("reads the same however its bytes are cut", () => {
    const expected = readAll([bytes]);
    fc.assert(
      fc.property(places, (cut) => {
        const edges = cutsOf(cut);
        const actual = readAll(edges.slice(1).map((end, index) => bytes.subarray(edges[index], end)));
        expect(actual.events).toEqual(expected.events);
        expect(actual.reader.summary).toEqual(expected.reader.summary);
        expect(actual.reader.output.bytes).toBe(expected.reader.output.bytes);
      }),
      { numRuns: 50 },
    );
  });

  it("goes to a caller of Ollama's own byte by byte, and its text is counted all the same", () => {
    fc.assert(
      fc.property(places, (cut) => {
        const streamed = new StreamedReply(new OllamaStreamReader(), new NdjsonSplitter(), true, [], "m");
        const edges = cutsOf(cut);
        const passed = edges.slice(1).map((end, index) => {
          streamed.push(bytes.subarray(edges[index], end));
          return streamed.take()?.native ?? new Uint8Array();
        });
        expect(Buffer.concat(passed)).toEqual(bytes);
        expect(streamed).toMatchObject({ complete: true, output: { bytes: readAll([bytes]).reader.output.bytes } });
      }),
      { numRuns: 50 },
    );
  });

  it("need not read each line that only adds text at another time", () => {
    const reader = new OllamaStreamReader();
    const read = vi.spyOn(reader, "read");
    const streamed = new StreamedReply(reader, new NdjsonSplitter(), true, [], "m");
    for (const second of [10, 11, 12]) streamed.push(toBytes([{ ...line({ content: "water" }), created_at: `2025-07-07T20:22:${second}.5Z` }]));
    expect(read).toHaveBeenCalledTimes(1);
    expect(streamed.output.bytes).toBe(15);
  });

  it("gives calls of an old server ids of their own", () => {
    const call = line({ content: "", tool_calls: [{ function: { name: "f", arguments: {} } }] });
    const ids = readAll([toBytes([call, call])]).events.flatMap(({ event }) => (event.case === "partStart" && event.value.part!.kind.case === "toolCall" ? [event.value.part!.kind.value.id] : []));
    expect(new Set(ids).size).toBe(2);
  });

  it("passes on log-probabilities and pictures", () => {
    const { events } = readAll([toBytes([{ ...line({ content: "A" }), logprobs: reply.logprobs }, line({ content: "", images: ["AQID"] })])]);
    expect(events[2]!.event.value).toMatchObject({ logprobs: [{ token: "A", logprob: -0.5, top: [{ token: "B" }] }] });
    expect(events[4]!.event.value).toMatchObject({ part: { kind: { case: "image", value: { media: { source: { value: new Uint8Array([1, 2, 3]) } } } } } });
  });

  it("is not finished before its last line, and reads nothing behind it", () => {
    expect(readAll([toBytes(lines.slice(0, -1))]).reader.finished).toBe(false);
    expect(readAll([bytes, bytes]).events).toHaveLength(readAll([bytes]).events.length);
  });

  it.each([
    ["an error", { error: "model runner has unexpectedly stopped" }, "UPSTREAM_UNAVAILABLE"],
    ["an error with its status", { error: "too long", status: 400 }, "UPSTREAM_REJECTED"],
    ["an error of Ollama's cloud", { error: "slow down", status_code: 429 }, "UPSTREAM_RATE_LIMITED"],
  ])("fails with %s in the middle of it", (_what, error, reason) => {
    expect(() => readAll([toBytes([...lines.slice(0, 2), error])])).toThrow(expect.objectContaining({ reason }));
  });

  it.each([["no JSON", "{\n"], ["no object", "[]\n"]])("refuses %s", (_what, text) => {
    expect(() => readAll([Buffer.from(text)])).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
