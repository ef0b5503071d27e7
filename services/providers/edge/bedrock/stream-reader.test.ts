import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import { describe, expect, it } from "vitest";
import { StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { bedrockVendor } from "./bedrock-vendor.ts";
import { message, reply, streamEvents, toBytes, usage, type StreamEvent } from "./fixtures.ts";

const request = { path: "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream", headers: {}, body: new Uint8Array(), warnings: [], withholdUsage: false };

function readAll(pieces: readonly Uint8Array[]) {
  const reader = bedrockVendor.generate.createStreamReader(request);
  const splitter = bedrockVendor.generate.createSplitter!();
  const events = pieces.flatMap((piece) => splitter.push(piece).flatMap((event) => reader.read(event).toEvents()));
  return { reader, events };
}

const read = (...events: readonly StreamEvent[]) => readAll([toBytes(events)]);
const delta = (contentBlockIndex: number, of: object): StreamEvent => ({ type: "contentBlockDelta", payload: { contentBlockIndex, delta: of } });
const stop = (contentBlockIndex: number): StreamEvent => ({ type: "contentBlockStop", payload: { contentBlockIndex } });
const bytes = toBytes(streamEvents);
const [start] = streamEvents as [StreamEvent];
const end = streamEvents.slice(-2);

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
  it("holds the same parts, ending and summary as the whole reply", () => {
    const { reader, events } = readAll([bytes]);
    const whole = bedrockVendor.generate.readReply(Buffer.from(JSON.stringify(reply)));
    expect(assemble(events)).toEqual(whole.response.candidates[0]!.message!.parts.map(({ kind }) => ({ case: kind.case, ...kind.value })));
    expect(reader.summary).toEqual(whole.summary);
    expect(reader.finished).toBe(true);
    const candidateEnd = events.at(-2)!.event;
    expect(candidateEnd).toMatchObject({ case: "candidateEnd", value: { finishReason: whole.response.candidates[0]!.finishReason, nativeFinishReason: "tool_use" } });
  });

  it("begins with one start that names the model, and closes with one end that has the usage", () => {
    const { events } = readAll([bytes]);
    const cases = events.map(({ event }) => event.case);
    expect([cases[0], cases.at(-2), cases.at(-1)]).toEqual(["start", "candidateEnd", "end"]);
    expect(cases.filter((one) => one === "start" || one === "end")).toHaveLength(2);
    expect(events[0]!.event.value).toMatchObject({ model: "anthropic.claude-sonnet-4-5-20250929-v1:0" });
    expect(events.at(-1)!.event.value).toMatchObject({ serviceTier: "priority" });
  });

  it("reads the same however its bytes are cut", () => {
    const expected = readAll([bytes]);
    const cuts = fastCheck.array(fastCheck.nat(bytes.length), { maxLength: 40 });
    fastCheck.assert(
      fastCheck.property(cuts, (places) => {
        const edges = [0, ...places.toSorted((left, right) => left - right), bytes.length];
        const actual = readAll(edges.slice(1).map((to, index) => bytes.subarray(edges[index], to)));
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
    const texts = ["Let me see…", "The sky is blue — “blau”.", "So I paint.", '{"colour":"blau 🎨"}', "{}"];
    expect(readAll([bytes]).reader.output.bytes).toBe(Buffer.byteLength(texts.join("")));
  });

  it("knows that it was cut when its metadata are missing", () => {
    const { reader } = read(...streamEvents.slice(0, -1));
    expect(reader.finished).toBe(false);
    expect(reader.summary).toMatchObject({ usage: undefined, finishReason: "tool_use" });
  });

  it("makes another part of a block that turns to another kind, and none of one without content", () => {
    const { events } = read(start, delta(0, { text: "a" }), delta(0, { reasoningContent: { text: "b" } }), delta(0, { reasoningContent: { redactedContent: "Yw==" } }), stop(0), stop(1), ...end);
    expect(assemble(events)).toMatchObject([{ case: "text", text: "a" }, { case: "reasoning", text: "b" }, { case: "reasoning", redactedData: "Yw==" }]);
    expect(events.filter(({ event }) => event.case === "partEnd")).toHaveLength(3);
  });

  it("keeps a block that nobody knows yet, with all that its deltas added", () => {
    const { events } = read(start, { type: "glow", payload: {} }, delta(0, { aura: { colour: "b" } }), delta(0, { aura: { colour: "lue", warm: 1 } }), ...end);
    const [part] = assemble(events);
    expect(part).toMatchObject({ case: "native", dialect: "bedrock" });
    expect(JSON.parse(Buffer.from(part!["json"] as Uint8Array).toString())).toEqual({ aura: { colour: "blue", warm: 1 } });
  });

  it("says which stop sequence was met, and which model a router chose", () => {
    const { events, reader } = read(
      start,
      { type: "messageStop", payload: { stopReason: "stop_sequence", additionalModelResponseFields: { stop_sequence: "END" } } },
      { type: "metadata", payload: { usage, trace: { promptRouter: { invokedModelId: "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku" } } } },
    );
    expect(events.at(-2)!.event.value).toMatchObject({ stopSequence: "END" });
    expect(reader.summary.servedModel).toBe("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku");
  });
});

describe("a stream that fails", () => {
  it.each([
    ["throttlingException", "UPSTREAM_RATE_LIMITED", "429"],
    ["validationException", "UPSTREAM_REJECTED", "400"],
    ["modelStreamErrorException", "UPSTREAM_UNAVAILABLE", "424"],
    ["internalServerException", "UPSTREAM_UNAVAILABLE", "500"],
    ["serviceUnavailableException", "UPSTREAM_UNAVAILABLE", "503"],
    ["modelTimeoutException", "UPSTREAM_UNAVAILABLE", "408"],
    ["brandNewException", "UPSTREAM_UNAVAILABLE", "500"],
  ])("throws what the exception means: %s", (name, reason, status) => {
    const exception = message({ ":message-type": "exception", ":exception-type": name }, '{"message":"m"}');
    const type = name.charAt(0).toUpperCase() + name.slice(1);
    expect(() => readAll([toBytes([start]), exception])).toThrow(expect.objectContaining({ reason, metadata: expect.objectContaining({ type, status }) }));
    expect(() => readAll([exception])).toThrow(expect.objectContaining({ reason }));
  });

  it.each([
    ["an event that is no JSON", Buffer.concat([toBytes([start]), message({ ":event-type": "contentBlockDelta", ":message-type": "event" }, "{")])],
    ["a second start", toBytes([start, start])],
    ["a block before the start", toBytes([delta(0, { text: "a" })])],
    ["arguments for no call", toBytes([start, delta(0, { toolUse: { input: "{}" } })])],
    ["a block without a place", toBytes([start, { type: "contentBlockStop", payload: {} }])],
    ["a block that begins twice", toBytes([start, streamEvents[8]!, streamEvents[8]!])],
    ["more after the end", toBytes([...streamEvents, delta(0, { text: "a" })])],
    ["more than is kept of a block", Buffer.concat([toBytes([start]), ...Array<Buffer>(9).fill(toBytes([delta(0, { aura: "x".repeat(8_000_000) })]))])],
    ["a tool's input that is no JSON", toBytes([start, ...streamEvents.slice(8, 10), stop(2)])],
  ])("is refused as unreadable: %s", (_what, piece) => {
    expect(() => readAll([piece])).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
