import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it, test } from "vitest";
import { ImageDetail, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { EmbedRequestSchema, GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { reply } from "./fixtures.ts";
import { ollamaVendor } from "./ollama-vendor.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;
type MessageInit = NonNullable<GenerationInit["messages"]>[number];
type Json = { readonly [name: string]: unknown };

const text = (value: string) => ({ kind: { case: "text", value: { text: value } } }) as const;
const data = (bytes: string, mediaType: string) => ({ source: { case: "data", value: Buffer.from(bytes) }, mediaType }) as const;
const user: MessageInit = { role: Role.USER, parts: [text("Hi")] };
const hi = { role: "user", content: "Hi" };

function build(init: GenerationInit, stream = false) {
  const request = ollamaVendor.generate.buildRequest(create(GenerationSchema, { model: "route", messages: [user], ...init } as MessageInitShape<typeof GenerationSchema>), "qwen3", stream);
  return { request, json: JSON.parse(Buffer.from(request.body).toString()) as Json, fields: request.warnings.map(({ field }) => field) };
}

test("the smallest request holds nothing that was not asked for, and says whether to stream", () => {
  const { json, request, fields } = build({});
  expect(json).toEqual({ model: "qwen3", messages: [hi], stream: false });
  expect(request).toMatchObject({ path: "/api/chat", headers: {}, withholdUsage: false });
  expect(fields).toEqual([]);
  expect(build({}, true).json).toEqual({ model: "qwen3", messages: [hi], stream: true });
});

test("the caller's own bytes keep all but the model, and stream unless they must not", () => {
  const native = (body: string, stream: boolean) => Buffer.from(ollamaVendor.generate.buildNativeRequest(Buffer.from(body), "qwen3", stream).body).toString();
  expect(native('{ "model":"x", "keep_alive":"5m", "new": 1.50}', true)).toBe('{ "model":"qwen3", "keep_alive":"5m", "new": 1.50}');
  expect(JSON.parse(native('{"model":"x","messages":[]}', false))).toEqual({ model: "qwen3", messages: [], stream: false });
  expect(native('{"model":"x","stream":false}', false)).toBe('{"model":"qwen3","stream":false}');
});

const { NONE, MINIMAL, HIGH, EXTRA_HIGH, MAXIMUM } = ReasoningOptions_Effort;
const tool = { kind: { case: "function", value: { name: "a", description: "d", parametersJsonSchema: '{"type":"object"}', strict: true } } } as const;
const toolJson = { type: "function", function: { name: "a", description: "d", parameters: { type: "object" } } };

const options: readonly (readonly [name: string, init: GenerationInit, members: Json, fields: readonly string[]])[] = [
  [
    "options",
    { maxOutputTokens: 9n, stopSequences: ["a"], sampling: { temperature: 1.5, topP: 0.5, topK: 9n, presencePenalty: 0.5, frequencyPenalty: 0.25, seed: 7n } },
    { options: { num_predict: 9, temperature: 1.5, top_p: 0.5, top_k: 9, presence_penalty: 0.5, frequency_penalty: 0.25, seed: 7, stop: ["a"] } },
    [],
  ],
  ["log-probabilities", { logprobs: true, topLogprobs: 2 }, { logprobs: true, top_logprobs: 2 }, []],
  ["a seed that JSON cannot carry", { sampling: { seed: 2n ** 60n } }, {}, ["sampling.seed"]],
  ["some JSON", { outputFormat: { kind: { case: "jsonObject", value: {} } } }, { format: "json" }, []],
  ["a schema", { outputFormat: { kind: { case: "jsonSchema", value: { name: "n", description: "d", jsonSchema: '{"type":"object"}' } } } }, { format: { description: "d", type: "object" } }, []],
  ["no reasoning", { reasoning: { effort: NONE } }, { think: false }, []],
  ["much reasoning", { reasoning: { effort: HIGH } }, { think: "high" }, []],
  ["all reasoning", { reasoning: { effort: MAXIMUM } }, { think: "max" }, []],
  ["a level that there is not", { reasoning: { effort: EXTRA_HIGH } }, { think: "high" }, ["reasoning.effort"]],
  ["the least reasoning, unseen", { reasoning: { effort: MINIMAL, includeText: false } }, { think: "low" }, ["reasoning.include_text", "reasoning.effort"]],
  ["a bound of reasoning", { reasoning: { budgetTokens: 99n } }, { think: true }, ["reasoning.budget_tokens"]],
  ["reasoning that is to be seen", { reasoning: { includeText: true } }, { think: true }, []],
  ["tools", { tools: [tool, { kind: { case: "function", value: { name: "b" } } }] }, { tools: [toolJson, { type: "function", function: { name: "b", parameters: { type: "object", properties: {} } } }] }, ["tools.function.strict"]],
  ["no tool", { tools: [tool], toolChoice: { mode: ToolChoice_Mode.NONE } }, {}, []],
  ["a required tool", { tools: [tool], toolChoice: { mode: ToolChoice_Mode.REQUIRED } }, { tools: [toolJson] }, ["tool_choice", "tools.function.strict"]],
  ["Ollama's own tools", { tools: [{ kind: { case: "native", value: { dialect: "ollama", json: Buffer.from('{"type":"x"}') } } }] }, { tools: [{ type: "x" }] }, []],
  ["others' tools", { tools: [{ kind: { case: "native", value: { dialect: "openai", json: Buffer.from("{}") } } }, { kind: { case: "custom", value: { name: "c" } }, cacheMarker: {} }] }, {}, ["tools.native", "tools.cache_marker", "tools.custom"]],
];

test.each(options)("%s", (_name, init, members, fields) => {
  const { json, fields: noted } = build(init);
  expect(json).toEqual({ model: "qwen3", messages: [hi], ...members, stream: false });
  expect(noted).toEqual(fields);
  if (fields.length > 0) expect(() => build({ ...init, strict: true })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});

test("warns of every option it has nothing for", () => {
  const init: GenerationInit = {
    sampling: { logitBias: { "1": 2 } },
    parallelToolCalls: false,
    serviceTier: "flex",
    modalities: [Modality.AUDIO],
    audio: { voice: "a" },
    endUser: "u",
    metadata: { a: "b" },
    store: true,
    verbosity: "low",
    promptCacheKey: "k",
    candidateCount: 2,
  };
  const { json, fields } = build(init);
  expect(Object.keys(json)).toEqual(["model", "messages", "stream"]);
  expect(fields).toEqual(["sampling.logit_bias", "parallel_tool_calls", "service_tier", "modalities", "audio", "end_user", "metadata", "store", "verbosity", "prompt_cache_key", "candidate_count"]);
});

describe("messages", () => {
  const messagesOf = (...messages: readonly MessageInit[]) => {
    const { json, fields } = build({ messages: [...messages] });
    return { messages: json["messages"], fields };
  };

  it("puts a message's texts into one, and pictures beside it", () => {
    const { messages, fields } = messagesOf(
      { role: Role.DEVELOPER, parts: [text("be brief"), text("in French")] },
      {
        role: Role.USER,
        name: "Ann",
        parts: [
          { ...text("Look:"), cacheMarker: {} },
          { kind: { case: "image", value: { media: data("abc", "image/png"), detail: ImageDetail.LOW } } },
          { kind: { case: "file", value: { media: data("wide", "text/plain"), filename: "a.txt", context: "c" } } },
          { kind: { case: "audio", value: { transcript: "la", media: data("", "audio/wav") } } },
        ],
      },
    );
    expect(messages).toEqual([
      { role: "system", content: "be brief\nin French" },
      { role: "user", content: "Look:\na.txt\nc\nwide\nla", images: ["YWJj"] },
    ]);
    expect(fields).toEqual(["messages.name", "messages.parts.cache_marker", "messages.parts.image.detail", "messages.parts.file", "messages.parts.audio"]);
  });

  it("sends a reply back as it came", () => {
    const { response } = ollamaVendor.generate.readReply(Buffer.from(JSON.stringify(reply)));
    const { role, content, thinking, tool_calls } = reply.message;
    const calls = tool_calls.map(({ id, function: { name, arguments: args } }) => ({ id, function: { name, arguments: args } }));
    expect(messagesOf(user, response.candidates[0]!.message!).messages).toEqual([hi, { role, content, thinking, tool_calls: calls }]);
  });

  it("gives each tool's result a message of its own, with the name of the tool", () => {
    const image = { kind: { case: "image", value: { media: data("abc", "image/png") } } } as const;
    const result = (toolCallId: string, ...parts: NonNullable<MessageInit["parts"]>) => ({ kind: { case: "toolResult", value: { toolCallId, parts, isError: true } } }) as const;
    const { messages, fields } = messagesOf(
      { role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id: "1", name: "f", arguments: '{"id":1}' } } }, { kind: { case: "toolCall", value: { id: "2", name: "g", arguments: "free", custom: true } } }] },
      { role: Role.TOOL, parts: [result("1", text("a"), image), result("unknown", text("b")), text("and?")] },
    );
    expect(messages).toEqual([
      { role: "assistant", content: "", tool_calls: [{ id: "1", function: { name: "f", arguments: { id: 1 } } }, { id: "2", function: { name: "g", arguments: { input: "free" } } }] },
      { role: "tool", content: "a", images: ["YWJj"], tool_name: "f", tool_call_id: "1" },
      { role: "tool", content: "b", tool_call_id: "unknown" },
      { role: "user", content: "and?" },
    ]);
    expect(fields).toEqual(["messages.parts.tool_result.is_error"]);
  });

  it("keeps the digits of long whole numbers, and refuses arguments that are no object", () => {
    const call = (args: string): MessageInit => ({ role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id: "t", name: "f", arguments: args } } }] });
    const generation = create(GenerationSchema, { messages: [call('{"id":12345678901234567890}')] });
    expect(Buffer.from(ollamaVendor.generate.buildRequest(generation, "m", false).body).toString()).toContain('"arguments":{"id":12345678901234567890}');
    expect(() => messagesOf(user, call("[1]"))).toThrow("messages[1].tool_call.arguments must be a JSON object");
  });

  it("says what it leaves out of earlier replies", () => {
    const { messages, fields } = messagesOf({
      role: Role.ASSISTANT,
      parts: [{ kind: { case: "reasoning", value: { redactedData: "opaque" } } }, { kind: { case: "reasoning", value: { text: "hm", signature: "s" } } }, { kind: { case: "text", value: { text: "A", citations: [{ url: "https://a.example" }] } } }, { kind: { case: "refusal", value: { text: "no" } } }],
    });
    expect(messages).toEqual([{ role: "assistant", content: "Ano", thinking: "hm" }]);
    expect(fields).toEqual(["messages.parts.reasoning.redacted_data", "messages.parts.reasoning.signature", "messages.parts.text.citations"]);
  });

  it.each([
    ["sound", Role.USER, { kind: { case: "audio", value: { media: data("x", "audio/wav") } } }],
    ["a PDF", Role.USER, { kind: { case: "file", value: { media: data("x", "application/pdf") } } }],
    ["a picture elsewhere", Role.USER, { kind: { case: "image", value: { media: { source: { case: "url", value: "https://a.example" } } } } }],
    ["a picture as an instruction", Role.SYSTEM, { kind: { case: "image", value: { media: data("x", "image/png") } } }],
    ["another vendor's piece", Role.USER, { kind: { case: "native", value: { dialect: "openai", json: Buffer.from("{}") } } }],
  ] as const)("refuses %s rather than leave it out of the question", (_what, role, part) => {
    expect(() => messagesOf({ role, parts: [part] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });
});

test("embeddings", () => {
  const embed = (init: MessageInitShape<typeof EmbedRequestSchema>) => ollamaVendor.operations.embed!.buildRequest(create(EmbedRequestSchema, init), "all-minilm");
  const { path, body, warnings } = embed({ inputs: ["a", "b"], dimensions: 256, endUser: "u" });
  expect(JSON.parse(Buffer.from(body).toString())).toEqual({ model: "all-minilm", input: ["a", "b"], dimensions: 256 });
  expect([path, warnings.map(({ field }) => field)]).toEqual(["/api/embed", ["end_user"]]);
  expect(() => embed({ tokenInputs: [{ tokens: [1] }] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});
