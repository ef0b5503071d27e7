import { create, type MessageInitShape } from "@bufbuild/protobuf";
import Anthropic from "@anthropic-ai/sdk";
import type { Message, MessageCreateParams, RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages";
import { describe, expect, it } from "vitest";
import type { PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { type PartDeltaSchema, StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { AnthropicStreamWriter } from "./stream-writer.ts";

type EventInit = NonNullable<MessageInitShape<typeof StreamGenerateResponseSchema>["event"]>;
type PartKindInit = NonNullable<MessageInitShape<typeof PartSchema>["kind"]>;
type DeltaInit = NonNullable<MessageInitShape<typeof PartDeltaSchema>["delta"]>;

const begin = (partIndex: number, kind: PartKindInit): EventInit => ({ case: "partStart", value: { partIndex, part: { kind } } });
const grow = (partIndex: number, delta: DeltaInit): EventInit => ({ case: "partDelta", value: { partIndex, delta } });
const end = (partIndex: number): EventInit => ({ case: "partEnd", value: { partIndex } });
const text = (value: string): DeltaInit => ({ case: "text", value });

const start: EventInit = { case: "start", value: { id: "id-1", model: "m" } };
const ending: EventInit[] = [
  { case: "candidateEnd", value: { finishReason: FinishReason.STOP, nativeFinishReason: "stop" } },
  { case: "end", value: { usage: { quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 3n }, { meter: Meter.OUTPUT_TOKENS, quantity: 2n }] }, serviceTier: "standard" } },
];

const toEvents = (events: readonly EventInit[]): StreamGenerateResponse[] => events.map((event) => create(StreamGenerateResponseSchema, { event }));
const write = (...parts: readonly EventInit[]): string => new AnthropicStreamWriter().write(toEvents([start, ...parts, ...ending]));

function eventsIn(stream: string): RawMessageStreamEvent[] {
  return stream.trimEnd().split("\n\n").map((event) => JSON.parse(event.slice(event.indexOf("\ndata: ") + 7)) as RawMessageStreamEvent);
}

/** What the official client makes of a stream. */
function readBySdk(stream: string): Promise<Message> {
  const client = new Anthropic({
    apiKey: "k",
    maxRetries: 0,
    fetch: () => Promise.resolve(new Response(stream, { headers: { "content-type": "text/event-stream", "request-id": "req_1" } })),
  });
  return client.messages.stream({ model: "m", max_tokens: 1, messages: [{ role: "user", content: "x" }] } satisfies MessageCreateParams).finalMessage();
}

describe("a streamed reply", () => {
  it("has Anthropic's events in Anthropic's order", () => {
    const stream = write(begin(0, { case: "text", value: {} }), grow(0, text("a")), grow(0, text("b")), end(0));
    expect(stream.split("\n\n")[0]).toMatch(/^event: message_start\ndata: \{"type":"message_start"/);
    expect(eventsIn(stream)).toMatchObject([
      { type: "message_start", message: { id: "id-1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, usage: { input_tokens: 0, output_tokens: 0 } } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "a" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "b" } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { input_tokens: 3, output_tokens: 2 } },
      { type: "message_stop" },
    ]);
  });

  it("is put together by the official client", async () => {
    const stream = write(
      begin(0, { case: "reasoning", value: {} }),
      grow(0, text("hm")),
      grow(0, { case: "signature", value: "si" }),
      grow(0, { case: "signature", value: "g" }),
      end(0),
      begin(1, { case: "reasoning", value: { redactedData: "opaque" } }),
      end(1),
      begin(2, { case: "text", value: {} }),
      grow(2, { case: "citation", value: { url: "https://a.example", citedText: "c" } }),
      grow(2, text("hi")),
      end(2),
      begin(3, { case: "toolCall", value: { id: "t", name: "add" } }),
      grow(3, { case: "arguments", value: '{"a":' }),
      grow(3, { case: "arguments", value: "1}" }),
      end(3),
      begin(4, { case: "native", value: { dialect: "anthropic", json: Buffer.from('{"type":"container_upload","file_id":"f"}') } }),
      end(4),
    );
    const message = await readBySdk(stream);
    expect(message.content).toEqual([
      { type: "thinking", thinking: "hm", signature: "sig" },
      { type: "redacted_thinking", data: "opaque" },
      { type: "text", text: "hi", citations: [{ type: "web_search_result_location", url: "https://a.example", cited_text: "c", title: null, encrypted_index: "" }] },
      { type: "tool_use", id: "t", name: "add", input: { a: 1 }, caller: { type: "direct" } },
      { type: "container_upload", file_id: "f" },
    ] satisfies Message["content"]);
    expect(message).toMatchObject({ stop_reason: "end_turn", usage: { input_tokens: 3, output_tokens: 2 } });
  });

  it("ends thinking that nobody signed with an empty signature", () => {
    const stream = write(begin(0, { case: "reasoning", value: {} }), grow(0, text("hm")), end(0));
    expect(stream).toContain('"delta":{"type":"signature_delta","signature":""}');
  });

  it("writes what a part held when it began", async () => {
    const stream = write(
      begin(0, { case: "text", value: { text: "hel", citations: [{ url: "u" }] } }),
      grow(0, text("lo")),
      end(0),
      begin(1, { case: "reasoning", value: { text: "a", signature: "s" } }),
      end(1),
      begin(2, { case: "toolCall", value: { id: "t", name: "n", arguments: '{"a":1}' } }),
      end(2),
    );
    expect((await readBySdk(stream)).content).toMatchObject([
      { text: "hello", citations: [{ url: "u" }] },
      { thinking: "a", signature: "s" },
      { input: { a: 1 } },
    ]);
  });

  it("writes blocks one after another, though parts grow at the same time", async () => {
    const call = (id: string): PartKindInit => ({ case: "toolCall", value: { id, name: id } });
    const stream = write(
      begin(0, call("a")),
      begin(1, call("b")),
      begin(2, call("c")),
      grow(1, { case: "arguments", value: '{"b"' }),
      grow(0, { case: "arguments", value: '{"a":1}' }),
      end(2),
      end(0),
      grow(1, { case: "arguments", value: ":2}" }),
      end(1),
    );
    expect(eventsIn(stream).filter((event) => "index" in event).map((event) => [event.type.slice(14), event.index])).toEqual([
      ["start", 0], ["delta", 0], ["stop", 0],
      ["start", 1], ["delta", 1], ["delta", 1], ["stop", 1],
      ["start", 2], ["stop", 2],
    ]);
    expect((await readBySdk(stream)).content).toMatchObject([{ id: "a", input: { a: 1 } }, { id: "b", input: { b: 2 } }, { id: "c", input: {} }]);
  });

  it("stops blocks whose end never came", () => {
    const stream = write(begin(0, { case: "text", value: {} }), begin(1, { case: "text", value: {} }));
    expect(eventsIn(stream).filter(({ type }) => type === "content_block_stop")).toHaveLength(2);
  });

  it("is the same however its events are grouped", () => {
    const events = toEvents([start, begin(0, { case: "text", value: {} }), grow(0, text("a")), end(0), ...ending]);
    const writer = new AnthropicStreamWriter();
    expect(events.map((event) => writer.write([event])).join("")).toBe(new AnthropicStreamWriter().write(events));
  });

  it("tells a refusal in the model's own words", async () => {
    const stream = write(begin(0, { case: "refusal", value: {} }), grow(0, text("No")), grow(0, text(".")), end(0));
    expect(await readBySdk(stream)).toMatchObject({ content: [{ type: "text", text: "No." }], stop_reason: "refusal", stop_details: { explanation: "No." } });
  });

  it("has the first candidate alone", () => {
    const other: EventInit[] = [
      { case: "partStart", value: { candidateIndex: 1, partIndex: 0, part: { kind: { case: "text", value: {} } } } },
      { case: "partDelta", value: { candidateIndex: 1, partIndex: 0, delta: text("x") } },
      { case: "partEnd", value: { candidateIndex: 1, partIndex: 0 } },
      { case: "candidateEnd", value: { candidateIndex: 1, finishReason: FinishReason.LENGTH } },
    ];
    expect(write(...other)).toBe(write());
  });

  it("breaks off with an error that the official client raises", async () => {
    const writer = new AnthropicStreamWriter();
    const stream = writer.write(toEvents([start])) + writer.writeError(new GatewayError("UPSTREAM_INTERRUPTED", "cut"), "req_1");
    await expect(readBySdk(stream)).rejects.toMatchObject({ type: "api_error", error: { request_id: "req_1", error: { message: "cut" } } });
  });
});
