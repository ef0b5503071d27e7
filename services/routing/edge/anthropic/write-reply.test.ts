import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Message } from "@anthropic-ai/sdk/resources/messages";
import type { ModelInfo } from "@anthropic-ai/sdk/resources/models";
import { describe, expect, it } from "vitest";
import { Role, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, ModelSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { writeModels } from "./models.ts";
import { writeReply } from "./write-reply.ts";

type ResponseInit = MessageInitShape<typeof GenerateResponseSchema>;
type PartInit = MessageInitShape<typeof PartSchema>;

const write = (init: ResponseInit) => writeReply(create(GenerateResponseSchema, init)) as unknown as Message;
const writeParts = (parts: PartInit[], ending: Partial<{ finishReason: FinishReason; nativeFinishReason: string; stopSequence: string }> = {}) =>
  write({ candidates: [{ message: { role: Role.ASSISTANT, parts }, ...ending }] });

describe("a reply", () => {
  it("is a Message", () => {
    const response: ResponseInit = {
      id: "chatcmpl-1",
      model: "gpt-5",
      candidates: [
        {
          message: {
            role: Role.ASSISTANT,
            parts: [
              { kind: { case: "text", value: { text: "hi", citations: [{ url: "https://a.example", title: "A" }] } } },
              { kind: { case: "toolCall", value: { id: "c1", name: "add", arguments: '{"a":1}' } } },
            ],
          },
          finishReason: FinishReason.TOOL_CALLS,
          nativeFinishReason: "tool_calls",
        },
      ],
      usage: {
        source: UsageSource.PROVIDER,
        quantities: [
          { meter: Meter.INPUT_TOKENS, quantity: 5n },
          { meter: Meter.AUDIO_INPUT_TOKENS, quantity: 2n },
          { meter: Meter.CACHED_INPUT_TOKENS, quantity: 4n },
          { meter: Meter.CACHE_WRITE_5M_INPUT_TOKENS, quantity: 6n },
          { meter: Meter.CACHE_WRITE_1H_INPUT_TOKENS, quantity: 1n },
          { meter: Meter.OUTPUT_TOKENS, quantity: 8n },
          { meter: Meter.REASONING_OUTPUT_TOKENS, quantity: 3n },
          { meter: Meter.WEB_SEARCHES, quantity: 1n },
        ],
      },
      serviceTier: "default",
    };
    expect(write(response)).toEqual({
      id: "chatcmpl-1",
      type: "message",
      role: "assistant",
      model: "gpt-5",
      content: [
        { type: "text", text: "hi", citations: [{ type: "web_search_result_location", cited_text: "", title: "A", url: "https://a.example", encrypted_index: "" }] },
        { type: "tool_use", id: "c1", name: "add", input: { a: 1 }, caller: { type: "direct" } },
      ],
      stop_reason: "tool_use",
      stop_sequence: null,
      stop_details: null,
      container: null,
      usage: {
        input_tokens: 7,
        cache_read_input_tokens: 4,
        cache_creation_input_tokens: 7,
        cache_creation: { ephemeral_5m_input_tokens: 6, ephemeral_1h_input_tokens: 1 },
        output_tokens: 11,
        output_tokens_details: { thinking_tokens: 3 },
        server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 },
        service_tier: "standard",
      },
    } satisfies Omit<Message, "usage" | "diagnostics"> & { usage: Omit<Message["usage"], "inference_geo" | "speed"> });
  });

  it.each([
    [FinishReason.STOP, "stop", undefined, "end_turn"],
    [FinishReason.STOP, "stop", "END", "stop_sequence"],
    [FinishReason.LENGTH, "length", undefined, "max_tokens"],
    [FinishReason.LENGTH, "model_context_window_exceeded", undefined, "model_context_window_exceeded"],
    [FinishReason.TOOL_CALLS, "tool_calls", undefined, "tool_use"],
    [FinishReason.CONTENT_FILTER, "content_filter", undefined, "refusal"],
    [FinishReason.REFUSAL, "refusal", undefined, "refusal"],
    [FinishReason.PAUSE, "pause_turn", undefined, "pause_turn"],
    [FinishReason.OTHER, "tired", undefined, "end_turn"],
    [FinishReason.UNSPECIFIED, "", undefined, "end_turn"],
  ])("says why it ended (%d, %s, %s): %s", (finishReason, nativeFinishReason, stopSequence, expected) => {
    const message = writeParts([], { finishReason, nativeFinishReason, ...(stopSequence === undefined ? {} : { stopSequence }) });
    expect(message).toMatchObject({ stop_reason: expected, stop_sequence: stopSequence ?? null });
  });

  it("tells a refusal in the model's own words", () => {
    expect(writeParts([{ kind: { case: "refusal", value: { text: "No." } } }], { finishReason: FinishReason.STOP })).toMatchObject({
      content: [{ type: "text", text: "No." }],
      stop_reason: "refusal",
      stop_details: { type: "refusal", explanation: "No." },
    });
  });

  it.each([
    ["", {}],
    ['{"a":1}', { a: 1 }],
    ['{"cut', { input: '{"cut' }],
    ["[1]", { input: [1] }],
  ])("has an object for tool arguments %s", (text, input) => {
    expect(writeParts([{ kind: { case: "toolCall", value: { id: "1", name: "n", arguments: text } } }]).content).toMatchObject([{ input }]);
  });

  it("says what it cannot carry", () => {
    const media = { source: { case: "url", value: "u" } } as const;
    const native = { dialect: "openai", json: Buffer.from("{}") };
    const { content } = writeParts([
      { kind: { case: "image", value: { media } } },
      { kind: { case: "native", value: native } },
      { kind: { case: "audio", value: { media } } },
      { kind: { case: "audio", value: { media, transcript: "spoken" } } },
    ]);
    expect(content.map((block) => block.type === "text" && block.text)).toEqual([
      '[The reply holds a part of the kind "image", which this API cannot carry.]',
      '[The reply holds a piece in the form of "openai", which this API cannot carry.]',
      "[The reply holds sound, which this API cannot carry.]",
      "spoken",
    ]);
  });

  it("can be read when it holds nothing, and has an id of its own", () => {
    expect(write({ requestId: "req_1" })).toMatchObject({ id: "req_1", content: [], stop_reason: "end_turn", usage: { input_tokens: 0, output_tokens: 0 } });
  });
});

describe("the list of models", () => {
  it("is one page", () => {
    const models = ["a", "anthropic/b"].map((name) => create(ModelSchema, { name }));
    const first = {
      type: "model", id: "a", display_name: "a", created_at: "1970-01-01T00:00:01.000Z", lifecycle: "active", capabilities: null, line: null,
      max_input_tokens: null, max_tokens: null, deprecated_at: null, retires_at: null,
    } satisfies ModelInfo;
    expect(writeModels(models, 1000)).toMatchObject({ data: [first, { id: "anthropic/b" }], has_more: false, first_id: "a", last_id: "anthropic/b" });
    expect(writeModels([], 0)).toEqual({ data: [], has_more: false, first_id: null, last_id: null });
  });
});
