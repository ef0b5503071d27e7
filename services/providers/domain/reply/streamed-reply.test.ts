/** Owns the proof that counting the text of repeated events tells the ledger the same as reading each of them. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { SseSplitter } from "#platform/formats/sse.ts";
import { anthropicVendor } from "../../edge/anthropic/anthropic-vendor.ts";
import { openaiVendor } from "../../edge/openai/openai-vendor.ts";
import { StreamReading, type ReplySummary, type StreamReader } from "../adapter.ts";
import type { StreamedEvent } from "./event-splitter.ts";
import { GeneratedText, type Output } from "../usage/generated-output.ts";
import { StreamedReply } from "./streamed-reply.ts";

const request = { path: "", headers: {}, body: new Uint8Array(), warnings: [], withholdUsage: false };

const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 8 }), fc.constantFrom("", " water", 'say "content":"x"', '","finish_reason":"stop"', "back\\slash", "line\nfeed", "größe"));
const spacing = fc.constantFrom((json: string) => json, (json: string) => json.replaceAll('":', '": '), (json: string) => json.replaceAll('":', '" :  '));

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "gpt-x" };
const delta = fc.oneof(
  { weight: 6, arbitrary: fc.record({ content: text }) },
  { weight: 1, arbitrary: fc.record({ reasoning_content: text }) },
  { weight: 1, arbitrary: fc.record({ content: text, reasoning: text }) },
  { weight: 1, arbitrary: fc.record({ content: fc.constant(null), refusal: text }) },
  { weight: 1, arbitrary: fc.record({ content: fc.tuple(fc.record({ type: fc.constant("text"), text })) }) },
  { weight: 3, arbitrary: fc.record({ tool_calls: fc.tuple(fc.record({ index: fc.nat(1), function: fc.record({ arguments: text }) })) }) },
  { weight: 1, arbitrary: fc.record({ tool_calls: fc.tuple(fc.record({ index: fc.nat(1), id: fc.constantFrom("a", "b"), function: fc.record({ name: fc.constant("f"), arguments: text }) })) }) },
);
const openaiChunk = fc
  .record({
    choices: fc.tuple(fc.record({ index: fc.constantFrom(0, 0, 0, 1), delta, finish_reason: fc.constantFrom(null, null, null, null, "stop") })),
    usage: fc.constantFrom(undefined, null, null, null, usage, { ...usage, completion_tokens: 6 }),
    obfuscation: fc.option(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 4 }), { nil: undefined }),
  })
  .map((chunk) => ({ ...head, ...chunk }));

const block = fc.constantFrom({ type: "text", text: "" }, { type: "thinking", thinking: "" }, { type: "server_tool_use", name: "web_search", input: {} });
const growth = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("text_delta"), text }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("thinking_delta"), thinking: text }) },
);
const anthropicBlock = fc.tuple(fc.nat(2), block, fc.array(growth, { maxLength: 8 }), fc.array(text, { maxLength: 4 })).map(([index, content_block, deltas, inputs]) => [
  { type: "content_block_start", index, content_block },
  ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
  // The pieces of one JSON text.
  ...["[", ...inputs.map((input) => `${JSON.stringify(input)},`), "0]"].map((partial_json) => ({ type: "content_block_delta", index, delta: { type: "input_json_delta", partial_json } })),
  { type: "content_block_stop", index },
]);

describe("StreamedReply of bytes that go through untouched", () => {
  it("tells the same of OpenAI's chunks as a reader of each", () => {
    fc.assert(
      fc.property(fc.array(openaiChunk, { maxLength: 12 }), spacing, fc.array(fc.nat(), { maxLength: 4 }), (chunks, space, cuts) => {
        // The last is told twice: a stream is mostly repetition.
        const written = [...chunks.flatMap((chunk) => [chunk, chunk]), chunks[0]].filter((chunk) => chunk !== undefined);
        const bytes = Buffer.from(written.map((chunk) => `data: ${space(JSON.stringify(chunk))}\n\n`).join(""));
        compare(bytes, cuts, () => openaiVendor.generate.createStreamReader(request));
      }),
    );
  });

  it("tells the same of Anthropic's events", () => {
    fc.assert(
      fc.property(fc.array(anthropicBlock, { maxLength: 3 }), spacing, fc.array(fc.nat(), { maxLength: 4 }), (blocks, space, cuts) => {
        const events = [{ type: "message_start", message: { id: "msg_1", model: "claude-x", usage: { input_tokens: 3 } } }, ...blocks.flat()];
        const bytes = Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${space(JSON.stringify(event))}\n\n`).join(""));
        compare(bytes, cuts, () => anthropicVendor.generate.createStreamReader(request));
      }),
    );
  });

  it("does not read an event again that differs in its text alone", () => {
    const reader = new ContentReader();
    const reply = new StreamedReply(reader, new SseSplitter(), true, [], "m");
    const push = (content: string, padding: string): void => reply.push(Buffer.from(`data: ${JSON.stringify({ delta: { content }, padding, usage: null })}\n\n`));
    push("one", "xx");
    push("twenty", "x");
    push("", "xxxxxx");
    expect({ reads: reader.reads, outputBytes: reply.output.bytes }).toEqual({ reads: 1, outputBytes: 9 });
    push('"quoted"', "");
    expect({ reads: reader.reads, outputBytes: reply.output.bytes }).toEqual({ reads: 2, outputBytes: 17 });
    reply.push(Buffer.from('data: {"delta":{"content":"end"},"padding":"","usage":{}}\n\n'));
    expect({ reads: reader.reads, outputBytes: reply.output.bytes }).toEqual({ reads: 3, outputBytes: 20 });
  });
});

test("the model that was asked stands in where the vendor names none", () => {
  const start = (model: string) => {
    const reply = new StreamedReply(openaiVendor.generate.createStreamReader(request), new SseSplitter(), false, [], "asked");
    reply.push(Buffer.from(`data: ${JSON.stringify({ id: "c", model, choices: [{ index: 0, delta: { content: "a" } }] })}\n\n`));
    return reply.take()!.events[0]!.event.value;
  };
  expect([start(""), start("answered")]).toMatchObject([{ model: "asked" }, { model: "answered" }]);
});

/** What a reply tells when the bytes come in these pieces, against what its reader tells of each event. */
function compare(bytes: Buffer, cuts: readonly number[], createReader: () => StreamReader): void {
  const every = createReader();
  const forwarded: Uint8Array[] = [];
  const expectedFailure = failureOf(() => {
    for (const event of new SseSplitter().push(bytes)) if (every.read(event).forward) forwarded.push(event.raw);
  });
  const reply = new StreamedReply(createReader(), new SseSplitter(), true, [], "m");
  const passed: Uint8Array[] = [];
  const failure = failureOf(() => {
    const borders = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((left, right) => left - right), bytes.length];
    for (const [index, border] of borders.slice(1).entries()) {
      reply.push(bytes.subarray(borders[index], border));
      passed.push(reply.take()?.native ?? new Uint8Array());
    }
  });
  expect(failure).toEqual(expectedFailure);
  expect({ output: textOf(reply.output), complete: reply.complete, summary: reply.summary }).toEqual({ output: textOf(every.output), complete: every.finished, summary: every.summary });
  if (failure === undefined) expect(Buffer.concat(passed)).toEqual(Buffer.concat(forwarded));
}

function textOf({ bytes, kept }: Output): string {
  expect(kept.length).toBe(bytes);
  return Buffer.from(kept).toString();
}

function failureOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Reads `delta.content` alone, and counts how often it is asked to. */
class ContentReader implements StreamReader {
  readonly textMembers = ["content"];
  readonly paddingMembers = ["padding"];
  readonly summary: ReplySummary = { usage: undefined, finishReason: "", servedModel: "", serviceTier: "" };
  readonly finished = false;
  readonly output = new GeneratedText();
  reads = 0;

  read({ data }: StreamedEvent): StreamReading {
    this.reads++;
    this.output.add((JSON.parse(data) as { delta: { content: string } }).delta.content);
    return new StreamReading([], true);
  }
}
