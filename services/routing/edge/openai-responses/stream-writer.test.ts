import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import OpenAI from "openai";
import type { Response, ResponseStreamEvent } from "openai/resources/responses/responses";
import { describe, expect, test } from "vitest";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { replyFormOf } from "./reply-form.ts";
import { createStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

type Event = NonNullable<Exclude<MessageInitShape<typeof StreamGenerateResponseSchema>, StreamGenerateResponse>["event"]>;

const head = { id: "msg_1", model: "model-x", createTime: { seconds: 1_700_000_000n } };
const usage = {
  quantities: [
    { meter: Meter.INPUT_TOKENS, quantity: 10n },
    { meter: Meter.CACHED_INPUT_TOKENS, quantity: 4n },
    { meter: Meter.CACHE_WRITE_5M_INPUT_TOKENS, quantity: 2n },
    { meter: Meter.OUTPUT_TOKENS, quantity: 5n },
    { meter: Meter.REASONING_OUTPUT_TOKENS, quantity: 3n },
  ],
};
const start: Event = { case: "start", value: head };
const end: Event = { case: "end", value: { usage, serviceTier: "default" } };
const begin = (partIndex: number, kind: object): Event => ({ case: "partStart", value: { partIndex, part: { kind: kind as never } } });
const grow = (partIndex: number, delta: object, logprobs: object[] = []): Event => ({ case: "partDelta", value: { partIndex, delta: delta as never, logprobs } });
const stop = (partIndex: number): Event => ({ case: "partEnd", value: { partIndex } });
const finish = (finishReason: FinishReason): Event => ({ case: "candidateEnd", value: { finishReason, nativeFinishReason: "x" } });
const say = (value: string) => ({ case: "text", value });
const text = { case: "text", value: {} };

function toEvents(events: readonly Event[]): StreamGenerateResponse[] {
  return events.map((event) => create(StreamGenerateResponseSchema, { event }));
}

function write(events: readonly Event[], request: object = {}): string {
  const writer = createStreamWriter(replyFormOf({ ...request }));
  return toEvents(events).map((event) => writer.write([event])).join("");
}

function eventsOf(stream: string): ResponseStreamEvent[] {
  return stream.split("\n\n").slice(0, -1).map((raw) => {
    const [name, data] = raw.split("\n");
    const event = JSON.parse(data!.slice("data: ".length)) as ResponseStreamEvent;
    expect(name).toBe(`event: ${event.type}`);
    return event;
  });
}

const typesOf = (events: readonly Event[], request: object = {}) => eventsOf(write(events, request)).map(({ type }) => type.replace("response.", ""));

/** The stream as the official client reads it. */
function clientFor(stream: string): OpenAI {
  return new OpenAI({ apiKey: "key", maxRetries: 0, fetch: () => Promise.resolve(new globalThis.Response(stream, { headers: { "content-type": "text/event-stream" } })) });
}

const everything: Event[] = [
  start,
  begin(0, { case: "reasoning", value: {} }),
  grow(0, say("H")),
  grow(0, say("m")),
  grow(0, { case: "signature", value: "sig" }),
  stop(0),
  begin(1, text),
  grow(1, say("Hel")),
  grow(1, say("lo"), [{ token: "lo", logprob: -1 }]),
  grow(1, { case: "citation", value: { url: "https://a", title: "A", startIndex: 0, endIndex: 5 } }),
  stop(1),
  begin(2, { case: "refusal", value: {} }),
  grow(2, say("No more.")),
  stop(2),
  // Calls grow beside each other.
  begin(3, { case: "toolCall", value: { id: "a", name: "look" } }),
  begin(4, { case: "toolCall", value: { id: "b", name: "patch", custom: true } }),
  grow(3, { case: "arguments", value: '{"of":' }),
  grow(4, { case: "arguments", value: "fr" }),
  grow(3, { case: "arguments", value: '"A"}' }),
  grow(4, { case: "arguments", value: "ee" }),
  stop(3),
  stop(4),
  begin(5, { case: "native", value: { dialect: "anthropic", json: Buffer.from('{"type":"server_tool_use"}') } }),
  stop(5),
  begin(6, { case: "image", value: { media: { source: { case: "data", value: Uint8Array.of(1, 2) }, mediaType: "image/png" } } }),
  stop(6),
  begin(7, { case: "audio", value: {} }),
  stop(7),
  finish(FinishReason.TOOL_CALLS),
  end,
];

const item = (members: object) => expect.objectContaining(members);
const wholeOutput = [
  item({ id: "rs_msg_1_0", type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "Hm" }], encrypted_content: expect.stringMatching(/^weir1\./) }),
  item({ id: "msg_msg_1_1", type: "message", role: "assistant", status: "completed" }),
  item({ id: "fc_msg_1_2", type: "function_call", call_id: "a", name: "look", arguments: '{"of":"A"}', status: "completed" }),
  item({ id: "ctc_msg_1_3", type: "custom_tool_call", call_id: "b", name: "patch", input: "free" }),
  item({ id: "rs_msg_1_4", type: "reasoning", summary: [], encrypted_content: expect.any(String) }),
  item({ id: "ig_msg_1_5", type: "image_generation_call", result: "AQI=", status: "completed" }),
  item({ id: "msg_msg_1_6", type: "message", content: [item({ text: '[The reply holds a part of the kind "audio", which this API cannot carry.]' })] }),
];

describe("a stream of everything", () => {
  const stream = write(everything);

  test("is numbered, and each item is added before it grows and done after", () => {
    const events = eventsOf(stream);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
    const open = new Set<number>();
    for (const event of events) {
      if (event.type === "response.output_item.added") open.add(event.output_index);
      else if ("output_index" in event) expect(open).toContain(event.output_index);
      if (event.type === "response.output_item.done") open.delete(event.output_index);
    }
    expect(open.size).toBe(0);
  });

  test("ends with what a reply in one piece would be", () => {
    const parts = [
      { kind: { case: "reasoning" as const, value: { text: "Hm", signature: "sig" } } },
      { kind: { case: "text" as const, value: { text: "Hello", citations: [{ url: "https://a", title: "A", startIndex: 0, endIndex: 5 }] } } },
      { kind: { case: "refusal" as const, value: { text: "No more." } } },
      { kind: { case: "toolCall" as const, value: { id: "a", name: "look", arguments: '{"of":"A"}' } } },
      { kind: { case: "toolCall" as const, value: { id: "b", name: "patch", custom: true, arguments: "free" } } },
      { kind: { case: "native" as const, value: { dialect: "anthropic", json: Buffer.from('{"type":"server_tool_use"}') } } },
      { kind: { case: "image" as const, value: { media: { source: { case: "data" as const, value: Uint8Array.of(1, 2) }, mediaType: "image/png" } } } },
      { kind: { case: "audio" as const, value: {} } },
    ];
    const candidate = { message: { parts }, finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "x", logprobs: [{ token: "lo", logprob: -1 }] };
    const whole = writeReply(create(GenerateResponseSchema, { ...head, candidates: [candidate], usage, serviceTier: "default" }), replyFormOf({}));
    const last = eventsOf(stream).at(-1) as { response: Response };
    expect(last.response).toEqual(JSON.parse(JSON.stringify(whole)));
    expect(last.response).toMatchObject({ id: "resp_msg_1", status: "completed", model: "model-x", created_at: 1_700_000_000, service_tier: "default", tool_choice: "auto", tools: [] });
    expect(last.response.output).toEqual(wholeOutput);
    expect(last.response.usage).toEqual({ input_tokens: 16, input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 }, output_tokens: 8, output_tokens_details: { reasoning_tokens: 3 }, total_tokens: 24 });
  });

  test("is put together by the official client", async () => {
    const seen: ResponseStreamEvent[] = [];
    const final = await clientFor(stream).responses.stream({ model: "m", input: "Hi" }).on("event", (event) => seen.push(event)).finalResponse();
    expect(final.output).toEqual(wholeOutput);
    expect(final.output_text).toBe('Hello[The reply holds a part of the kind "audio", which this API cannot carry.]');
    expect(seen).toHaveLength(eventsOf(stream).length);
  });

  test("is built up by the official client also from its deltas alone", async () => {
    // Without the last event's output, the client has only what it put together itself.
    const emptied = stream.replace(/("type":"response.completed".*)"output":\[.*?\],"usage"/, '$1"usage"');
    expect(emptied).not.toBe(stream);
    const final = await clientFor(emptied).responses.stream({ model: "m", input: "Hi" }).finalResponse();
    expect(final.output).toEqual(wholeOutput);
  });

  test("has the same bytes however its events are grouped", () => {
    fastCheck.assert(
      fastCheck.property(fastCheck.array(fastCheck.integer({ min: 0, max: everything.length }), { maxLength: 8 }), (cuts) => {
        const writer = createStreamWriter(replyFormOf({}));
        const borders = [0, ...cuts.sort((left, right) => left - right), everything.length];
        const groups = borders.slice(1).map((border, index) => toEvents(everything.slice(borders[index], border)));
        expect(groups.map((group) => writer.write(group)).join("")).toBe(stream);
      }),
    );
  });
});

test("text goes as OpenAI sends it", () => {
  const events = eventsOf(write([start, begin(0, { case: "text", value: { text: "A" } }), grow(0, say("b")), stop(0), finish(FinishReason.STOP), end]));
  const place = { item_id: "msg_msg_1_0", output_index: 0, content_index: 0 };
  const part = { type: "output_text" as const, text: "Ab", annotations: [], logprobs: [] };
  const message = { id: "msg_msg_1_0", type: "message" as const, role: "assistant" as const };
  expect(events.slice(2, -1)).toEqual([
    { type: "response.output_item.added", sequence_number: 2, output_index: 0, item: { ...message, status: "in_progress", content: [] } },
    { type: "response.content_part.added", sequence_number: 3, ...place, part: { ...part, text: "" } },
    { type: "response.output_text.delta", sequence_number: 4, ...place, delta: "A", logprobs: [] },
    { type: "response.output_text.delta", sequence_number: 5, ...place, delta: "b", logprobs: [] },
    { type: "response.output_text.done", sequence_number: 6, ...place, text: "Ab", logprobs: [] },
    { type: "response.content_part.done", sequence_number: 7, ...place, part },
    { type: "response.output_item.done", sequence_number: 8, output_index: 0, item: { ...message, status: "completed", content: [part] } },
  ] satisfies ResponseStreamEvent[]);
});

const thought: Event[] = [start, begin(0, { case: "reasoning", value: {} }), grow(0, say("Hm")), stop(0), finish(FinishReason.STOP), end];

test("reasoning is a summary where the caller asked for one, else what it is", () => {
  expect(typesOf(thought, { reasoning: { summary: "auto" } }).slice(3, -2)).toEqual(["reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done"]);
  expect(typesOf(thought).slice(3, -2)).toEqual(["content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done"]);
  const summary: Event[] = [start, begin(0, { case: "reasoning", value: { text: "Hm", isSummary: true } }), stop(0), end];
  expect(typesOf(summary)).toContain("reasoning_summary_text.delta");
});

test("reasoning that is hidden is an item all the same", () => {
  const hidden: Event[] = [start, begin(0, { case: "reasoning", value: { redactedData: "xyz" } }), stop(0), finish(FinishReason.STOP), end];
  expect(typesOf(hidden)).toEqual(["created", "in_progress", "output_item.added", "output_item.done", "completed"]);
});

test.each([
  [FinishReason.LENGTH, "incomplete", { reason: "max_output_tokens" }, "incomplete"],
  [FinishReason.CONTENT_FILTER, "incomplete", { reason: "content_filter" }, "incomplete"],
  [FinishReason.REFUSAL, "incomplete", { reason: "content_filter" }, "incomplete"],
  [FinishReason.PAUSE, "incomplete", { reason: "pause" }, "incomplete"],
  [FinishReason.STOP, "completed", null, "completed"],
  [FinishReason.OTHER, "completed", null, "completed"],
])("an end of the reason %i is %s, in the words of the official client too", async (reason, status, incomplete_details, itemStatus) => {
  const stream = write([start, begin(0, text), grow(0, say("Hm")), stop(0), finish(reason), end]);
  expect(eventsOf(stream).at(-1)!.type).toBe(`response.${status}`);
  const final = await clientFor(stream).responses.stream({ model: "m", input: "Hi" }).finalResponse();
  expect(final).toMatchObject({ status, incomplete_details, output: [{ status: itemStatus }] });
});

test("what is still open at the end is closed, and unreported usage is null", () => {
  const events = eventsOf(write([start, begin(0, text), grow(0, say("Hm")), begin(1, { case: "toolCall", value: { id: "a", name: "f" } }), { case: "end", value: {} }]));
  expect(events.filter(({ type }) => type === "response.output_item.done")).toHaveLength(2);
  expect(events.at(-1)).toMatchObject({ response: { usage: null, output: [{ content: [{ text: "Hm" }] }, { type: "function_call", arguments: "" }] } });
});

test("a reply that would fill the memory is given up", () => {
  const writer = createStreamWriter(replyFormOf({}));
  const huge = toEvents([start, begin(0, text), grow(0, say("a".repeat(64 * 1024 * 1024 + 1)))]);
  expect(() => writer.write(huge)).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
});

test("other candidates are left out", () => {
  const second: Event = { case: "partStart", value: { candidateIndex: 1, partIndex: 0, part: { kind: { case: "text", value: { text: "B" } } } } };
  expect(typesOf([start, second, end])).toEqual(["created", "in_progress", "completed"]);
});

test("a custom tool that a vendor calls as a function gets its free text", async () => {
  const request = { input: [{ type: "additional_tools", tools: [{ type: "namespace", name: "functions", tools: [{ type: "custom", name: "exec" }] }] }] };
  const call = { case: "toolCall", value: { id: "a", name: "functions__exec" } };
  const events = [start, begin(0, call), grow(0, { case: "arguments", value: '{"input":"a \\"b' }), grow(0, { case: "arguments", value: '\\"\\n"}' }), stop(0), finish(FinishReason.TOOL_CALLS), end];
  expect(typesOf(events, request).slice(2, -1)).toEqual(["output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"]);
  const { output } = await clientFor(write(events, request)).responses.stream({ model: "m", input: "Hi" }).finalResponse();
  expect(output).toMatchObject([{ id: "ctc_msg_1_0", type: "custom_tool_call", call_id: "a", name: "exec", namespace: "functions", input: 'a "b"\n' }]);
});

test.each(["plain text", '{"input":7}', '{"input":"cut', "null"])("a custom tool's arguments in no form (%s) go as they are", (written) => {
  const events = [start, begin(0, { case: "toolCall", value: { id: "a", name: "exec", arguments: written } }), stop(0), end];
  expect(eventsOf(write(events, { tools: [{ type: "custom", name: "exec" }] })).at(-1)).toMatchObject({ response: { output: [{ input: written }] } });
});

test("the settings of the request are repeated", () => {
  const request = { instructions: "i", tools: [{ type: "function", name: "f" }], tool_choice: "required", metadata: { a: "b" }, temperature: 0.5, store: true, reasoning: { effort: "low" }, text: { verbosity: "low" } };
  const [created] = eventsOf(write([start], request));
  expect(created).toMatchObject({ response: { ...request, store: false, status: "in_progress", text: { verbosity: "low", format: { type: "text" } }, reasoning: { effort: "low", summary: null } } });
});

test("an error amid the stream is raised by the official client, and shown to agents that look for a failed Response", async () => {
  const writer = createStreamWriter(replyFormOf({}));
  const stream = writer.write(toEvents([start, begin(0, text), grow(0, say("Hm"))])) + writer.writeError(new GatewayError("UPSTREAM_INTERRUPTED", "Cut."), "req_1");
  const [error, failed] = eventsOf(stream).slice(-2);
  expect(error).toMatchObject({ type: "error", code: "upstream_interrupted", message: "Cut.", sequence_number: 5 });
  expect(failed).toMatchObject({ type: "response.failed", response: { id: "resp_msg_1", status: "failed", error: { code: "upstream_interrupted", message: "Cut." } } });
  await expect(clientFor(stream).responses.stream({ model: "m", input: "Hi" }).finalResponse()).rejects.toMatchObject({ code: "upstream_interrupted" });
  // Where bytes went through untouched, the writer has seen nothing.
  const alone = createStreamWriter(replyFormOf({})).writeError(new GatewayError("UPSTREAM_REJECTED", "Too long.", { metadata: { status: "400", code: "context_length_exceeded" } }), "req_1");
  expect(eventsOf(alone)).toMatchObject([{ type: "error", code: "context_length_exceeded" }, { type: "response.failed", response: { id: "resp_req_1", error: { code: "context_length_exceeded" } } }]);
});
