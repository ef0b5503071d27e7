/** Owns the proof that the Responses dialect loses nothing on the way to other forms and back, and that nothing hangs on how a stream is cut. */
import { create, toJson, type MessageInitShape } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import OpenAI from "openai";
import type { Response as OpenaiResponse, ResponseInputItem } from "openai/resources/responses/responses";
import { describe, expect, it } from "vitest";
import { MessageSchema, Role, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { anthropicVendor } from "../../services/providers/edge/anthropic/anthropic-vendor.ts";
import { message, streamEvents, toBytes } from "../../services/providers/edge/anthropic/fixtures.ts";
import { openaiVendor } from "../../services/providers/edge/openai/openai-vendor.ts";
import type { VendorAdapter } from "../../services/providers/domain/adapter.ts";
import { readGeneration } from "../../services/routing/edge/openai-responses/read-generation.ts";
import { replyFormOf } from "../../services/routing/edge/openai-responses/reply-form.ts";
import { createStreamWriter } from "../../services/routing/edge/openai-responses/stream-writer.ts";
import { writeReply } from "../../services/routing/edge/openai-responses/write-reply.ts";

const { constant, option, oneof, record, array, string, integer, uint8Array, constantFrom } = fastCheck;
const words = string({ minLength: 1, maxLength: 12, unit: "grapheme" });
const kindOf = <Case extends string, Value>(kind: Case, value: fastCheck.Arbitrary<Value>) => record({ kind: record({ case: constant(kind), value }) });

const range = { startIndex: integer({ min: 0, max: 3 }), endIndex: integer({ min: 4, max: 9 }) };
const citation = oneof(record({ url: words, title: words, ...range }), record({ citedText: words, title: words, documentIndex: integer({ min: 0, max: 9 }), ...range }));

const part = oneof(
  kindOf("text", record({ text: words, citations: array(citation, { maxLength: 2 }) })),
  kindOf("refusal", record({ text: words })),
  kindOf("reasoning", record({ text: words, signature: option(words, { nil: "" }), isSummary: fastCheck.boolean() })),
  kindOf("reasoning", record({ redactedData: words })),
  kindOf("toolCall", record({ id: words, name: words, arguments: words })),
  kindOf("image", uint8Array({ minLength: 1, maxLength: 9 }).map((value) => ({ media: { source: { case: "data" as const, value }, mediaType: "image/png" } }))),
  kindOf("native", words.map((text) => ({ dialect: "anthropic", json: new TextEncoder().encode(JSON.stringify({ text })) }))),
);

it("takes back every reply that types know as it was", () => {
  fastCheck.assert(
    fastCheck.property(array(part, { minLength: 1, maxLength: 6 }), constantFrom({}, { reasoning: { summary: "auto" } }), (parts, request) => {
      const said = create(MessageSchema, { role: Role.ASSISTANT, parts: parts as MessageInitShape<typeof PartSchema>[] });
      const { output } = writeReply(create(GenerateResponseSchema, { id: "r", candidates: [{ message: said, finishReason: FinishReason.STOP }] }), replyFormOf(request)) as unknown as OpenaiResponse;
      const { generation, unknownFields } = readGeneration({ model: "m", input: JSON.parse(JSON.stringify(output)) as ResponseInputItem[] });
      expect(generation.messages.map((one) => toJson(MessageSchema, one))).toEqual([toJson(MessageSchema, said)]);
      expect(unknownFields).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

it("lets a conversation that another vendor began go on at OpenAI", () => {
  const said = create(MessageSchema, { role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "Hm", signature: "sig" } } }, { kind: { case: "text", value: { text: "Yes." } } }] });
  const { output } = writeReply(create(GenerateResponseSchema, { id: "r", candidates: [{ message: said }] }), replyFormOf({})) as unknown as OpenaiResponse;
  const { body } = openaiVendor.generate.nativeForms!["openai-responses"]!.buildNativeRequest(Buffer.from(JSON.stringify({ model: "m", input: output })), "m", false);
  expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({ input: [{ type: "message", content: [{ text: "Yes." }] }] });
});

const chunk = (delta: object, finish_reason: string | null = null): string => `data: ${JSON.stringify({ id: "chatcmpl-1", created: 1_700_000_000, model: "gpt-x", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const chatStream =
  chunk({ role: "assistant", content: "" }) +
  chunk({ reasoning_content: "Hm — " }) +
  chunk({ reasoning_content: "yes" }) +
  chunk({ content: "Grüezi " }) +
  chunk({ content: "🎨" }) +
  chunk({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "" } }] }) +
  chunk({ tool_calls: [{ index: 1, id: "b", type: "function", function: { name: "g", arguments: "{}" } }] }) +
  chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] }) +
  chunk({}, "tool_calls") +
  'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n';

/** The vendor's bytes as this dialect's, when they arrive in these pieces. */
function translate(adapter: VendorAdapter, bytes: Uint8Array, cuts: readonly number[] = []): string {
  const { generate } = adapter;
  const reader = generate.createStreamReader({ path: "", headers: {}, body: new Uint8Array(), warnings: [], withholdUsage: false });
  const writer = createStreamWriter(replyFormOf({ reasoning: { summary: "auto" } }));
  const splitter = new SseSplitter();
  const borders = [0, ...[...cuts].sort((left, right) => left - right), bytes.length];
  let written = "";
  for (let index = 1; index < borders.length; index++) {
    for (const event of splitter.push(Buffer.from(bytes.subarray(borders[index - 1], borders[index])))) written += writer.write(reader.read(event).toEvents());
  }
  return written;
}

const streams = [
  ["chat completions", openaiVendor, Buffer.from(chatStream)],
  ["Anthropic's messages", anthropicVendor, toBytes(streamEvents)],
] as const;

describe.each(streams)("a stream of %s", (_name, adapter, bytes) => {
  it("becomes the same bytes however it is cut", () => {
    const whole = translate(adapter, bytes);
    expect(whole).toContain("event: response.completed\n");
    fastCheck.assert(
      fastCheck.property(array(integer({ min: 0, max: bytes.length }), { maxLength: 20 }), (cuts) => {
        expect(translate(adapter, bytes, cuts)).toBe(whole);
      }),
    );
  });

  it("is put together by the official client, event for event", async () => {
    const client = new OpenAI({ apiKey: "k", maxRetries: 0, fetch: () => Promise.resolve(new Response(translate(adapter, bytes), { headers: { "content-type": "text/event-stream" } })) });
    const final = await client.responses.stream({ model: "m", input: "x" }).finalResponse();
    expect(final.status).toBe("completed");
  });
});

it("brings Anthropic's reply back to Anthropic as it was, but for citations, which only the text keeps", async () => {
  const client = new OpenAI({ apiKey: "k", maxRetries: 0, fetch: () => Promise.resolve(new Response(translate(anthropicVendor, toBytes(streamEvents)), { headers: { "content-type": "text/event-stream" } })) });
  const { output } = await client.responses.stream({ model: "m", input: "x" }).finalResponse();
  const results = output.flatMap((item) => (item.type === "function_call" ? [{ type: "function_call_output" as const, call_id: item.call_id, output: "done" }] : []));
  const { generation } = readGeneration({ model: "m", input: [{ role: "user", content: "x" }, ...(output as ResponseInputItem[]), ...results] });
  const built = anthropicVendor.generate.buildRequest(generation, "claude-opus-4-6", false);
  const sent = JSON.parse(Buffer.from(built.body).toString()) as { messages: { content: Record<string, unknown>[] }[] };
  const expected = message.content.map((block) => {
    if (block.type === "text") return { type: "text", text: block.text };
    // Who calls a caller's own tool is always the model.
    return block.type === "tool_use" ? { ...block, caller: undefined } : block;
  });
  expect(sent.messages[1]!.content).toEqual(expected);
});
