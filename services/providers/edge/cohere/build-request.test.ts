import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it, test } from "vitest";
import { CacheMarker_Lifetime, ImageDetail, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { EmbedRequestSchema, GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { cohereVendor } from "./cohere-vendor.ts";
import { message } from "./fixtures.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;
type MessageInit = NonNullable<GenerationInit["messages"]>[number];
type Json = { readonly [name: string]: unknown };

const text = (value: string) => ({ kind: { case: "text", value: { text: value } } }) as const;
const data = (bytes: string, mediaType: string) => ({ source: { case: "data", value: Buffer.from(bytes) }, mediaType }) as const;
const user: MessageInit = { role: Role.USER, parts: [text("Hi")] };
const hi = { role: "user", content: "Hi" };

function build(init: GenerationInit, stream = false) {
  const request = cohereVendor.generate.buildRequest(create(GenerationSchema, { model: "route", messages: [user], ...init } as MessageInitShape<typeof GenerationSchema>), "command", stream);
  return { request, json: JSON.parse(Buffer.from(request.body).toString()) as Json, fields: request.warnings.map(({ field }) => field) };
}

test("the smallest request holds nothing that was not asked for", () => {
  const { json, request, fields } = build({});
  expect(json).toEqual({ model: "command", messages: [hi] });
  expect(request).toMatchObject({ path: "/chat", headers: {}, withholdUsage: false });
  expect(fields).toEqual([]);
  expect(build({}, true).json).toEqual({ model: "command", messages: [hi], stream: true });
  expect(cohereVendor.authorize(new Secret("co-key"))).toEqual({ authorization: "Bearer co-key" });
});

test("the caller's own bytes keep all but the model", () => {
  const { body, path } = cohereVendor.generate.buildNativeRequest(Buffer.from('{ "model":"x", "documents":["a"], "new": 1.50}'), "command", true);
  expect([Buffer.from(body).toString(), path]).toEqual(['{ "model":"command", "documents":["a"], "new": 1.50}', "/chat"]);
});

const { NONE, LOW, HIGH } = ReasoningOptions_Effort;
const tool = (name: string, strict?: boolean) => ({ kind: { case: "function", value: { name, description: "d", parametersJsonSchema: '{"type":"object"}', ...(strict === undefined ? {} : { strict }) } } }) as const;
const toolJson = (name: string) => ({ type: "function", function: { name, description: "d", parameters: { type: "object" } } });

const options: readonly (readonly [name: string, init: GenerationInit, members: Json, fields: readonly string[]])[] = [
  ["limits", { maxOutputTokens: 9n, stopSequences: ["a"], logprobs: true }, { max_tokens: 9, stop_sequences: ["a"], logprobs: true }, []],
  ["sampling", { sampling: { temperature: 0.75, topP: 0.5, topK: 9n, presencePenalty: 0.5, frequencyPenalty: 0.25, seed: 7n } }, { temperature: 0.75, p: 0.5, k: 9, presence_penalty: 0.5, frequency_penalty: 0.25, seed: 7 }, []],
  ["sampling out of range", { sampling: { temperature: 1.5, topP: 1, topK: 900n, presencePenalty: -1, frequencyPenalty: 2 } }, { temperature: 1, p: 0.99, k: 500, presence_penalty: 0, frequency_penalty: 1 }, ["sampling.temperature", "sampling.top_p", "sampling.top_k", "sampling.presence_penalty", "sampling.frequency_penalty"]],
  ["a seed that JSON cannot carry", { sampling: { seed: 2n ** 60n } }, {}, ["sampling.seed"]],
  ["any text", { outputFormat: { kind: { case: "text", value: {} } } }, { response_format: { type: "text" } }, []],
  ["some JSON", { outputFormat: { kind: { case: "jsonObject", value: {} } } }, { response_format: { type: "json_object" } }, []],
  ["a schema", { outputFormat: { kind: { case: "jsonSchema", value: { name: "n", description: "d", jsonSchema: '{"type":"object"}' } } } }, { response_format: { type: "json_object", json_schema: { description: "d", type: "object" } } }, []],
  ["no reasoning", { reasoning: { effort: NONE } }, { thinking: { type: "disabled" } }, []],
  ["a bound of reasoning", { reasoning: { budgetTokens: 99n } }, { thinking: { type: "enabled", token_budget: 99 } }, []],
  ["reasoning as the model likes", { reasoning: { adaptive: true } }, { thinking: { type: "enabled" } }, []],
  ["little reasoning", { reasoning: { effort: LOW } }, { thinking: { type: "enabled", token_budget: 2048 } }, ["reasoning.effort"]],
  ["much reasoning, unseen", { reasoning: { effort: HIGH, includeText: false } }, { thinking: { type: "enabled" } }, ["reasoning.include_text", "reasoning.effort"]],
  ["tools", { tools: [tool("a"), { kind: { case: "function", value: { name: "b" } } }] }, { tools: [toolJson("a"), { type: "function", function: { name: "b", parameters: { type: "object", properties: {} } } }] }, []],
  ["a required tool", { tools: [tool("a")], toolChoice: { mode: ToolChoice_Mode.REQUIRED } }, { tools: [toolJson("a")], tool_choice: "REQUIRED" }, []],
  ["no tool", { tools: [tool("a")], toolChoice: { mode: ToolChoice_Mode.NONE } }, { tools: [toolJson("a")], tool_choice: "NONE" }, []],
  ["the model's choice of tools", { tools: [tool("a")], toolChoice: { mode: ToolChoice_Mode.AUTO } }, { tools: [toolJson("a")] }, []],
  ["a named tool", { tools: [tool("a"), tool("b")], toolChoice: { mode: ToolChoice_Mode.NAMED, name: "b" } }, { tools: [toolJson("b")], tool_choice: "REQUIRED" }, ["tool_choice"]],
  ["the only tool, by its name", { tools: [tool("b")], toolChoice: { mode: ToolChoice_Mode.NAMED, name: "b" } }, { tools: [toolJson("b")], tool_choice: "REQUIRED" }, []],
  ["strict tools", { tools: [tool("a", true)] }, { tools: [toolJson("a")], strict_tools: true }, []],
  ["tools some of which are strict", { tools: [tool("a", true), tool("b")] }, { tools: [toolJson("a"), toolJson("b")], strict_tools: true }, ["tools.function.strict"]],
  ["Cohere's own tools", { tools: [{ kind: { case: "native", value: { dialect: "cohere", json: Buffer.from('{"type":"x"}') } } }] }, { tools: [{ type: "x" }] }, []],
  ["others' tools", { tools: [{ kind: { case: "native", value: { dialect: "openai", json: Buffer.from("{}") } } }, { kind: { case: "custom", value: { name: "c" } }, cacheMarker: {} }] }, {}, ["tools.native", "tools.cache_marker", "tools.custom"]],
];

test.each(options)("%s", (_name, init, members, fields) => {
  const { json, fields: noted } = build(init);
  expect(json).toEqual({ model: "command", messages: [hi], ...members });
  expect(noted).toEqual(fields);
  if (fields.length > 0) expect(() => build({ ...init, strict: true })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});

test("warns of every option it has nothing for", () => {
  const init: GenerationInit = {
    sampling: { logitBias: { "1": 2 } },
    parallelToolCalls: false,
    topLogprobs: 2,
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
  expect(Object.keys(json)).toEqual(["model", "messages"]);
  expect(fields).toEqual(["sampling.logit_bias", "parallel_tool_calls", "top_logprobs", "service_tier", "modalities", "audio", "end_user", "metadata", "store", "verbosity", "prompt_cache_key", "candidate_count"]);
});

describe("messages", () => {
  const messagesOf = (...messages: readonly MessageInit[]) => {
    const { json, fields } = build({ messages: [...messages] });
    return { messages: json["messages"], documents: json["documents"], fields };
  };

  it("takes instructions, pictures and documents", () => {
    const built = messagesOf(
      { role: Role.DEVELOPER, parts: [text("be brief"), text("in French")] },
      {
        role: Role.USER,
        parts: [
          text("Look:"),
          { kind: { case: "image", value: { media: data("abc", "image/png"), detail: ImageDetail.LOW } } },
          { kind: { case: "image", value: { media: { source: { case: "url", value: "https://a.example/b.png" } } } } },
          { kind: { case: "file", value: { media: data("wide", "text/plain"), filename: "a.txt", context: "c" } } },
          { kind: { case: "file", value: { media: data("{}", "application/json"), title: "t", filename: "b.json" } } },
        ],
      },
    );
    expect(built).toEqual({
      messages: [
        { role: "system", content: [{ type: "text", text: "be brief" }, { type: "text", text: "in French" }] },
        {
          role: "user",
          content: [
            { type: "text", text: "Look:" },
            { type: "image_url", image_url: { url: "data:image/png;base64,YWJj", detail: "low" } },
            { type: "image_url", image_url: { url: "https://a.example/b.png" } },
          ],
        },
      ],
      documents: [
        { id: "document:0", data: { title: "a.txt", context: "c", text: "wide" } },
        { id: "document:1", data: { title: "t", text: "{}" } },
      ],
      fields: [],
    });
  });

  it("sends a reply back as it came, the plan, reasoning and citations included", () => {
    const { response } = cohereVendor.generate.readReply(Buffer.from(JSON.stringify(message)));
    const { messages } = messagesOf(user, response.candidates[0]!.message!);
    const { role, content, citations, tool_plan, tool_calls } = message.message;
    // Beside calls, text goes into the plan.
    expect(messages).toEqual([hi, { role, content: content.slice(0, 1), tool_plan: `${content[1]!.text!}${tool_plan}`, tool_calls: [tool_calls[0], { ...tool_calls[1], function: { name: "now", arguments: "{}" } }], citations }]);
  });

  it("gives each tool's result a message of its own, and pictures one behind them", () => {
    const image = { kind: { case: "image", value: { media: data("abc", "image/png") } } } as const;
    const result = (toolCallId: string, ...parts: NonNullable<MessageInit["parts"]>) => ({ kind: { case: "toolResult", value: { toolCallId, parts, isError: true } } }) as const;
    const { messages, fields } = messagesOf(
      user,
      { role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id: "1", name: "f", arguments: "" } } }, { kind: { case: "toolCall", value: { id: "2", name: "g", arguments: "free", custom: true } } }] },
      { role: Role.TOOL, parts: [result("1", text("a"), image), result("2", text("b"), { kind: { case: "file", value: { media: data("wide", "text/plain") } } })] },
    );
    expect(messages).toEqual([
      hi,
      { role: "assistant", tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }, { id: "2", type: "function", function: { name: "g", arguments: '{"input":"free"}' } }] },
      { role: "tool", tool_call_id: "1", content: "a" },
      { role: "tool", tool_call_id: "2", content: [{ type: "text", text: "b" }, { type: "document", document: { data: { text: "wide" } } }] },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,YWJj" } }] },
    ]);
    expect(fields).toEqual(["messages.parts.tool_result.is_error", "messages.parts.tool_result.parts"]);
  });

  it("says what it leaves out", () => {
    const { messages, fields } = messagesOf({
      role: Role.ASSISTANT,
      name: "Ann",
      parts: [
        { kind: { case: "reasoning", value: { redactedData: "opaque", signature: "signed" } }, cacheMarker: { lifetime: CacheMarker_Lifetime.ONE_HOUR } },
        { kind: { case: "audio", value: { transcript: "la", media: data("", "audio/wav") } } },
        { kind: { case: "text", value: { text: "A", citations: [{ url: "https://a.example" }] } } },
        { kind: { case: "refusal", value: { text: "no" } } },
      ],
    });
    expect(messages).toEqual([{ role: "assistant", content: [{ type: "text", text: "la" }, { type: "text", text: "A" }, { type: "text", text: "no" }] }]);
    expect(fields).toEqual(["messages.name", "messages.parts.cache_marker", "messages.parts.reasoning.redacted_data", "messages.parts.reasoning.signature", "messages.parts.audio", "messages.parts.text.citations"]);
  });

  it.each([
    ["sound", Role.USER, { kind: { case: "audio", value: { media: data("x", "audio/wav") } } }],
    ["a PDF", Role.USER, { kind: { case: "file", value: { media: data("x", "application/pdf") } } }],
    ["a document elsewhere", Role.USER, { kind: { case: "file", value: { media: { source: { case: "url", value: "https://a.example" }, mediaType: "text/plain" } } } }],
    ["a picture by its id", Role.USER, { kind: { case: "image", value: { media: { source: { case: "fileId", value: "f" } } } } }],
    ["a picture as an instruction", Role.SYSTEM, { kind: { case: "image", value: { media: data("x", "image/png") } } }],
    ["another vendor's piece", Role.USER, { kind: { case: "native", value: { dialect: "openai", json: Buffer.from("{}") } } }],
  ] as const)("refuses %s rather than leave it out of the question", (_what, role, part) => {
    expect(() => messagesOf({ role, parts: [part] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });
});

test("embeddings ask for plain numbers, and say what they cannot", () => {
  const embed = (init: MessageInitShape<typeof EmbedRequestSchema>) => cohereVendor.operations.embed!.buildRequest(create(EmbedRequestSchema, init), "embed-x");
  const { path, body, warnings } = embed({ inputs: ["a", "b"], dimensions: 256, endUser: "u" });
  expect(JSON.parse(Buffer.from(body).toString())).toEqual({ model: "embed-x", input_type: "search_document", embedding_types: ["float"], texts: ["a", "b"], output_dimension: 256 });
  expect([path, warnings.map(({ field }) => field)]).toEqual(["/embed", ["end_user"]]);
  expect(() => embed({ tokenInputs: [{ tokens: [1] }] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});
