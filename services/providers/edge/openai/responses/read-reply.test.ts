/** Owns the proof that a Response comes out the same in types whole and streamed, however its bytes are cut. */
import { create } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import { describe, expect, it } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { StreamedReply } from "../../../domain/reply/streamed-reply.ts";
import { openaiVendorWithResponses } from "../openai-vendor.ts";

const { generate } = openaiVendorWithResponses;
const request = generate.buildRequest(create(GenerationSchema, { messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "Hi" } } }] }] }), "gpt-5.6", true);

/** Made after the docstrings of `Response` and of the stream's events in the `openai` package. */
const logprob = { token: "Hë", logprob: -0.5, bytes: [72, 195, 171], top_logprobs: [{ token: "H", logprob: -1, bytes: [72] }] };
const cited = { type: "url_citation", url: "https://a", title: "A", start_index: 0, end_index: 2 };
const filed = { type: "file_citation", file_id: "file-1", filename: "a.pdf", index: 1 };
const reasoning = { id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: "I löok." }, { type: "summary_text", text: "I see." }], encrypted_content: "gAAA:B=" };
const hidden = { id: "rs_2", type: "reasoning", summary: [], encrypted_content: "gCCC" };
const search = { id: "ws_1", type: "web_search_call", status: "completed", action: { type: "search", query: "weir" } };
const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  status: "completed",
  content: [
    { type: "output_text", text: "Hëllo", annotations: [cited, filed], logprobs: [logprob] },
    { type: "refusal", refusal: "No." },
    { type: "of_tomorrow", text: "?" },
  ],
};
const called = { id: "fc_1", type: "function_call", call_id: "call_1", name: "get_flow", arguments: '{"river":"Aare"}', status: "completed" };
const shell = { id: "ctc_1", type: "custom_tool_call", call_id: "call_2", name: "shell", input: "ls" };
const output = [reasoning, search, message, hidden, called, shell];
const usage = { input_tokens: 30, input_tokens_details: { cached_tokens: 10, cache_write_tokens: 5 }, output_tokens: 20, output_tokens_details: { reasoning_tokens: 8 }, total_tokens: 50 };
const response = { id: "resp_1", object: "response", created_at: 1_700_000_000, status: "completed", model: "gpt-5.6-2026", service_tier: "default", error: null, incomplete_details: null, output, usage };

let sequence = 0;
const event = (type: string, members: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...members, sequence_number: sequence++ })}\n\n`;
const grow = (type: string, output_index: number, members: object): string => event(`response.${type}`, { output_index, item_id: "i", ...members });
const added = (index: number, item: object): string => grow("output_item.added", index, { item });
const done = (index: number): string => grow("output_item.done", index, { item: output[index] });

const begun = event("response.created", { response: { ...response, status: "in_progress", output: [], usage: null, service_tier: "auto" } });
const grown = [
  event("response.in_progress", { response: { ...response, status: "in_progress", output: [], usage: null } }),
  added(0, { ...reasoning, summary: [], encrypted_content: "gearly" }),
  grow("reasoning_summary_part.added", 0, { summary_index: 0, part: { type: "summary_text", text: "" } }),
  grow("reasoning_summary_text.delta", 0, { summary_index: 0, delta: "I lö" }),
  grow("reasoning_summary_text.delta", 0, { summary_index: 0, delta: "ok." }),
  grow("reasoning_summary_text.done", 0, { summary_index: 0, text: "I löok." }),
  grow("reasoning_summary_text.delta", 0, { summary_index: 1, delta: "I see." }),
  done(0),
  added(1, { ...search, status: "in_progress" }),
  grow("web_search_call.searching", 1, {}),
  done(1),
  added(2, { ...message, content: [] }),
  grow("content_part.added", 2, { content_index: 0, part: { type: "output_text", text: "" } }),
  grow("output_text.delta", 2, { content_index: 0, delta: "Hë", logprobs: [logprob] }),
  grow("output_text.delta", 2, { content_index: 0, delta: "llo", logprobs: [] }),
  grow("output_text.annotation.added", 2, { content_index: 0, annotation_index: 0, annotation: cited }),
  event("response.of_tomorrow", { anything: true }),
  grow("output_text.done", 2, { content_index: 0, text: "Hëllo" }),
  grow("refusal.delta", 2, { content_index: 1, delta: "No." }),
  done(2),
  added(3, { ...hidden, encrypted_content: "" }),
  done(3),
  added(4, { ...called, arguments: "" }),
  grow("function_call_arguments.delta", 4, { delta: '{"river":' }),
  grow("function_call_arguments.delta", 4, { delta: '"Aare"}' }),
  grow("function_call_arguments.done", 4, { arguments: called.arguments }),
  done(4),
  added(5, { ...shell, input: "" }),
  grow("custom_tool_call_input.delta", 5, { delta: "ls" }),
  done(5),
];
const ended = event("response.completed", { response });
const stream = begun + grown.join("") + ended;

function read(value: unknown) {
  return generate.readReply(Buffer.from(JSON.stringify(value)), request);
}

/** The events, and the parts that they make up. */
function readStream(text: string, cuts: readonly number[] = []) {
  const bytes = Buffer.from(text);
  const reply = new StreamedReply(generate.createStreamReader(request), new SseSplitter(), false, [], "gpt-5.6");
  const borders = [0, ...[...cuts].sort((left, right) => left - right), bytes.length];
  const events: StreamGenerateResponse[] = [];
  borders.slice(1).forEach((end, index) => {
    reply.push(bytes.subarray(borders[index], end));
    events.push(...(reply.take()?.events ?? []));
  });
  return { reply, events, ...assemble(events) };
}

type Grown = { kind: { case: string | undefined; value: Record<string, unknown> } };

function assemble(events: readonly StreamGenerateResponse[]) {
  const parts: Grown[] = [];
  const logprobs: unknown[] = [];
  const open = new Set<number>();
  let end: unknown;
  for (const { event: one } of events) {
    if (one.case === "partStart") {
      expect(one.value.partIndex).toBe(parts.length);
      parts.push(structuredClone({ kind: one.value.part!.kind }) as unknown as Grown);
      open.add(one.value.partIndex);
    } else if (one.case === "partEnd") expect(open.delete(one.value.partIndex)).toBe(true);
    else if (one.case === "candidateEnd") end = { finishReason: one.value.finishReason, nativeFinishReason: one.value.nativeFinishReason };
    else if (one.case === "partDelta") {
      const { partIndex, delta } = one.value;
      expect(open.has(partIndex)).toBe(true);
      logprobs.push(...one.value.logprobs);
      const { value } = parts[partIndex]!.kind;
      if (delta.case === "citation") value["citations"] = [...(value["citations"] as unknown[]), delta.value];
      else value[delta.case!] = String(value[delta.case!]) + String(delta.value);
    }
  }
  expect(open.size).toBe(0);
  return { parts, logprobs, end };
}

describe("a whole Response", () => {
  it("becomes parts in the order of its items, with encrypted reasoning as their signature", () => {
    const { response: read1, summary } = read(response);
    expect(read1).toMatchObject({ id: "resp_1", model: "gpt-5.6-2026", createTime: { seconds: 1_700_000_000n }, serviceTier: "default" });
    const [candidate] = read1.candidates;
    expect(candidate!.message!.parts.map(({ kind }) => kind)).toMatchObject([
      { case: "reasoning", value: { text: "I löok.\n\nI see.", isSummary: true, signature: "openai:rs_1:gAAA:B=" } },
      { case: "native", value: { dialect: "openai-responses", json: new TextEncoder().encode(JSON.stringify(search)) } },
      { case: "text", value: { text: "Hëllo", citations: [{ url: "https://a", title: "A", startIndex: 0, endIndex: 2 }, { native: { dialect: "openai-responses" } }] } },
      { case: "refusal", value: { text: "No." } },
      { case: "reasoning", value: { text: "", signature: "openai:rs_2:gCCC" } },
      { case: "toolCall", value: { id: "call_1", name: "get_flow", arguments: '{"river":"Aare"}', custom: false } },
      { case: "toolCall", value: { id: "call_2", name: "shell", arguments: "ls", custom: true } },
    ]);
    expect(candidate).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "completed", logprobs: [{ token: "Hë", logprob: -0.5, top: [{ token: "H" }] }] });
    expect(summary.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([
      [Meter.INPUT_TOKENS, 15n],
      [Meter.CACHED_INPUT_TOKENS, 10n],
      [Meter.CACHE_WRITE_5M_INPUT_TOKENS, 5n],
      [Meter.OUTPUT_TOKENS, 12n],
      [Meter.REASONING_OUTPUT_TOKENS, 8n],
    ]);
  });

  it.each([
    [{ status: "completed" }, FinishReason.STOP],
    [{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, FinishReason.LENGTH],
    [{ status: "incomplete", incomplete_details: { reason: "content_filter" } }, FinishReason.CONTENT_FILTER],
    [{ status: "cancelled" }, FinishReason.OTHER],
  ])("that ended with %j", (ending, finishReason) => {
    expect(read({ ...response, output: [message], ...ending }).response.candidates[0]!.finishReason).toBe(finishReason);
    const type = ending.status === "completed" ? "completed" : "incomplete";
    expect(readStream(begun + event(`response.${type}`, { response: { ...response, output: [message], ...ending } })).end).toMatchObject({ finishReason });
  });

  it("says less without being none: nothing but an id, empty pieces, items of tomorrow", () => {
    expect(read({ output: [] }).response).toMatchObject({ candidates: [{ message: { parts: [] } }] });
    expect(read({ output: [null, { type: "reasoning" }, { type: "message" }, { type: "message", content: [{ type: "output_text" }, 7] }] }).response.candidates[0]!.message!.parts).toEqual([]);
  });

  it.each([
    ['{"status":"failed","error":{"code":"server_error","message":"x"},"output":[]}', "UPSTREAM_UNAVAILABLE"],
    ['{"status":"failed","error":{"code":"invalid_prompt","message":"x"},"output":[]}', "UPSTREAM_REJECTED"],
    ["{}", "UPSTREAM_PROTOCOL"],
    ["[]", "UPSTREAM_PROTOCOL"],
    ["no", "UPSTREAM_PROTOCOL"],
  ])("%s is an error", (body, reason) => {
    expect(() => generate.readReply(Buffer.from(body), request)).toThrow(expect.objectContaining({ reason }));
  });
});

describe("a streamed Response", () => {
  const whole = read(response).response.candidates[0]!;
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_key, one: unknown) => (one instanceof Uint8Array ? [...one] : one)));

  it("makes up what it is whole", () => {
    const { reply, events, parts, logprobs, end } = readStream(stream);
    expect(plain(parts.map(({ kind }) => kind))).toEqual(plain(whole.message!.parts.map(({ kind }) => kind)));
    expect(plain(logprobs)).toEqual(plain(whole.logprobs));
    expect(end).toEqual({ finishReason: whole.finishReason, nativeFinishReason: whole.nativeFinishReason });
    expect(events[0]!.event).toMatchObject({ case: "start", value: { id: "resp_1", model: "gpt-5.6-2026" } });
    expect(events.at(-1)!.event).toMatchObject({ case: "end", value: { serviceTier: "default", usage: read(response).summary.usage } });
    expect(events.filter(({ event: { case: name } }) => name === "start" || name === "end")).toHaveLength(2);
    expect(reply).toMatchObject({ complete: true, summary: read(response).summary, output: { bytes: Buffer.byteLength('I löok.\n\nI see.HëlloNo.{"river":"Aare"}ls') } });
  });

  it("is the same however its bytes are cut, and whichever of its growth was never told", () => {
    const expected = plain(readStream(stream).parts);
    const length = Buffer.byteLength(stream);
    fastCheck.assert(
      fastCheck.property(fastCheck.array(fastCheck.integer({ min: 0, max: length }), { maxLength: 20 }), (cuts) => {
        expect(plain(readStream(stream, cuts).parts)).toEqual(expected);
      }),
    );
    const wholeItems = grown.filter((one) => one.includes("response.output_item.done"));
    expect(plain(readStream(begun + wholeItems.join("") + ended).parts)).toEqual(expected);
    expect(plain(readStream(begun + ended).parts)).toEqual(expected);
    expect(plain(readStream(grown.slice(1).join("") + ended).parts)).toEqual(expected);
  });

  it("never fails on events in any order, or without their members", () => {
    const anything = fastCheck.oneof(fastCheck.constantFrom(...grown), fastCheck.constantFrom(...grown.map((one) => `data: {"type":${/"type":("[^"]+")/.exec(one)![1]!},"item":7,"response":[]}\n\n`)));
    fastCheck.assert(
      fastCheck.property(fastCheck.array(anything, { maxLength: 40 }), (events) => {
        const { reply, end } = readStream(begun + events.join("") + ended);
        expect(reply.complete).toBe(true);
        expect(end).toBeDefined();
      }),
    );
  });

  it("says nothing after its end, and is cut without one", () => {
    expect(readStream(`${stream}${grown.join("")}data: [DONE]\n\n`).events).toHaveLength(readStream(stream).events.length);
    const cut = new StreamedReply(generate.createStreamReader(request), new SseSplitter(), false, [], "m");
    cut.push(Buffer.from(`${begun}${grown.join("")}data: [DONE]\n\n`));
    expect(() => cut.end()).toThrow(expect.objectContaining({ reason: "UPSTREAM_INTERRUPTED" }));
    expect(cut.output.bytes).toBeGreaterThan(0);
  });

  it.each([
    [event("response.failed", { response: { ...response, status: "failed", error: { code: "rate_limit_exceeded", message: "slow" } } }), "UPSTREAM_RATE_LIMITED"],
    [event("error", { code: "server_error", message: "x", param: null }), "UPSTREAM_UNAVAILABLE"],
    ["data: 7\n\n", "UPSTREAM_PROTOCOL"],
  ])("%j is an error", (bytes, reason) => {
    expect(() => readStream(begun + bytes)).toThrow(expect.objectContaining({ reason }));
  });
});
