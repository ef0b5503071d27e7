import type { ChatCompletionCreateParams } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import { CacheMarker_Lifetime, ImageDetail, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { chatCompletionsEndpoint as endpoint } from "./chat-completions.ts";

const messages = [{ role: "user", content: "Hi" }] as const;

function read(body: object) {
  const call = endpoint.read({ model: "m", messages, ...body } as never);
  return { call, generation: call.toGeneration(), unknownFields: call.unknownFields };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const partsOf = (...list: object[]) => read({ messages: list }).generation.messages.map(({ parts }) => parts.map(({ kind }) => kind));

test("reads every option of the request", () => {
  const { generation, unknownFields, call } = read({
    stream: true,
    stream_options: { include_usage: true, include_obfuscation: false },
    temperature: 0.5,
    top_p: 0.9,
    presence_penalty: 1,
    frequency_penalty: -1,
    seed: 7,
    logit_bias: { "50256": -100 },
    max_completion_tokens: 100,
    stop: "END",
    n: 2,
    logprobs: true,
    top_logprobs: 3,
    service_tier: "flex",
    modalities: ["text", "audio"],
    audio: { voice: { id: "voice_1" }, format: "wav" },
    safety_identifier: "person",
    metadata: { a: "1" },
    store: false,
    verbosity: "low",
    prompt_cache_key: "key",
    reasoning_effort: "xhigh",
    parallel_tool_calls: false,
    response_format: { type: "json_schema", json_schema: { name: "answer", description: "d", schema: { type: "object" }, strict: true } },
  } satisfies Partial<ChatCompletionCreateParams>);
  expect(call).toMatchObject({ model: "m", stream: true });
  expect(generation).toMatchObject({
    model: "m",
    sampling: { temperature: 0.5, topP: 0.9, presencePenalty: 1, frequencyPenalty: -1, seed: 7n, logitBias: { "50256": -100 } },
    maxOutputTokens: 100n,
    stopSequences: ["END"],
    candidateCount: 2,
    logprobs: true,
    topLogprobs: 3,
    serviceTier: "flex",
    modalities: [Modality.TEXT, Modality.AUDIO],
    audio: { voice: "voice_1", format: "wav" },
    endUser: "person",
    metadata: { a: "1" },
    store: false,
    verbosity: "low",
    promptCacheKey: "key",
    reasoning: { effort: ReasoningOptions_Effort.EXTRA_HIGH },
    parallelToolCalls: false,
    outputFormat: { kind: { case: "jsonSchema", value: { name: "answer", description: "d", jsonSchema: '{"type":"object"}', strict: true } } },
  });
  expect(unknownFields).toEqual([]);
});

test("null is as good as absent", () => {
  const { generation, unknownFields } = read({ temperature: null, max_tokens: null, stop: null, tools: null, audio: null, user: null, future: null });
  expect(generation).toEqual(read({}).generation);
  expect(unknownFields).toEqual([]);
});

test("what types have no place for is named, without indexes and once", () => {
  const part = { type: "text", text: "A", future: 1 };
  const { unknownFields } = read({
    messages: [{ role: "user", content: [part, part, { type: "image_url", image_url: { url: "https://a", detail: "original" } }] }, { role: "user", content: "B", weight: 0 }],
    stream_options: { include_obfuscation: true },
    prediction: { type: "content", content: "x" },
    safety_identifier: "a",
    user: "b",
  });
  expect(new Set(unknownFields)).toEqual(
    new Set(["prediction", "user", "stream_options.include_obfuscation", "messages[].weight", "messages[].content[].future", "messages[].content[].image_url.detail"]),
  );
});

test("the list of unknown fields has a bound", () => {
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`future_${index}`, 1]));
  expect(read(many).unknownFields).toHaveLength(100);
});

test("unknown fields are known once the request was read whole, and only once", () => {
  const call = endpoint.read({ model: "m", messages, future: 1 });
  expect(call.unknownFields).toEqual([]);
  expect(call.toGeneration()).toBe(call.toGeneration());
  expect(call.unknownFields).toEqual(["future"]);
});

test("reads content of every kind", () => {
  const [parts] = partsOf({
    role: "user",
    content: [
      { type: "text", text: "A" },
      { type: "image_url", image_url: { url: "https://a/b.png", detail: "low" } },
      { type: "image_url", image_url: { url: "data:image/png;base64,AQID" } },
      { type: "input_audio", input_audio: { data: "AQID", format: "mp3" } },
      { type: "file", file: { file_id: "file_1" } },
      { type: "file", file: { file_data: "data:application/pdf;base64,AQID", filename: "a.pdf" } },
      { type: "video_url", video_url: { url: "https://a" } },
    ],
  });
  const source = { case: "data", value: new Uint8Array([1, 2, 3]) };
  expect(parts).toMatchObject([
    { case: "text", value: { text: "A" } },
    { case: "image", value: { media: { source: { case: "url", value: "https://a/b.png" } }, detail: ImageDetail.LOW } },
    { case: "image", value: { media: { source, mediaType: "image/png" } } },
    { case: "audio", value: { media: { source, mediaType: "audio/mpeg" } } },
    { case: "file", value: { media: { source: { case: "fileId", value: "file_1" } } } },
    { case: "file", value: { media: { source, mediaType: "application/pdf" }, filename: "a.pdf" } },
    { case: "native", value: { dialect: "openai", json: bytes('{"type":"video_url","video_url":{"url":"https://a"}}') } },
  ]);
});

test("reads a whole turn of the assistant", () => {
  const [parts] = partsOf({
    role: "assistant",
    content: "A",
    refusal: "No",
    annotations: [{ type: "url_citation", url_citation: { url: "https://a", title: "T", start_index: 0, end_index: 1 } }],
    audio: { id: "audio_1" },
    reasoning_content: "hm",
    tool_calls: [
      { id: "a", type: "function", function: { name: "f", arguments: "{}" } },
      { id: "b", type: "custom", custom: { name: "g", input: "x" } },
    ],
  });
  expect(parts).toMatchObject([
    { case: "reasoning", value: { text: "hm" } },
    { case: "text", value: { text: "A", citations: [{ url: "https://a", title: "T", startIndex: 0, endIndex: 1 }] } },
    { case: "refusal", value: { text: "No" } },
    { case: "audio", value: { id: "audio_1" } },
    { case: "toolCall", value: { id: "a", name: "f", arguments: "{}", custom: false } },
    { case: "toolCall", value: { id: "b", name: "g", arguments: "x", custom: true } },
  ]);
});

test.each(["", null])("content %j beside tool calls is no part", (content) => {
  const [parts] = partsOf({ role: "assistant", content, tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{}" } }] });
  expect(parts!.map((part) => part.case)).toEqual(["toolCall"]);
});

test("reads the other roles, and names", () => {
  const { generation } = read({
    messages: [
      { role: "system", content: "S", name: "n" },
      { role: "developer", content: [{ type: "text", text: "D" }] },
      { role: "tool", tool_call_id: "a", content: "R" },
    ],
  });
  expect(generation.messages).toMatchObject([
    { role: Role.SYSTEM, name: "n" },
    { role: Role.DEVELOPER },
    { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "a", parts: [{ kind: { value: { text: "R" } } }] } } }] },
  ]);
});

test("legacy functions become tools, and their answers find their calls", () => {
  const call = { role: "assistant", content: null, function_call: { name: "f", arguments: "{}" } };
  const answer = { role: "function", name: "f", content: "R" };
  const { generation, unknownFields } = read({ messages: [call, answer, call, answer], functions: [{ name: "f", parameters: { type: "object" } }], function_call: { name: "f" } });
  expect(generation).toMatchObject({ tools: [{ kind: { value: { name: "f" } } }], toolChoice: { mode: ToolChoice_Mode.NAMED, name: "f" }, parallelToolCalls: false });
  const ids = generation.messages.map(({ parts: [part] }) => (part!.kind.case === "toolCall" ? part!.kind.value.id : part!.kind.case === "toolResult" && part!.kind.value.toolCallId));
  expect(ids[0]).toBe(ids[1]);
  expect(ids[2]).toBe(ids[3]);
  expect(ids[0]).not.toBe(ids[2]);
  expect(unknownFields).toEqual([]);
});

const tools = [
  { type: "function", function: { name: "f", description: "d", parameters: { type: "object" }, strict: true } },
  { type: "custom", custom: { name: "g", format: { type: "grammar", grammar: { syntax: "regex", definition: "a" } } } },
  { type: "web_search", size: 1 },
];

test("reads tools", () => {
  expect(read({ tools }).generation.tools.map(({ kind }) => kind)).toMatchObject([
    { case: "function", value: { name: "f", description: "d", parametersJsonSchema: '{"type":"object"}', strict: true } },
    { case: "custom", value: { name: "g", formatJson: bytes('{"type":"grammar","grammar":{"syntax":"regex","definition":"a"}}') } },
    { case: "native", value: { dialect: "openai", json: bytes('{"type":"web_search","size":1}') } },
  ]);
});

test.each([
  ["auto", { mode: ToolChoice_Mode.AUTO }],
  ["none", { mode: ToolChoice_Mode.NONE }],
  ["required", { mode: ToolChoice_Mode.REQUIRED }],
  [{ type: "function", function: { name: "f" } }, { mode: ToolChoice_Mode.NAMED, name: "f" }],
  [{ type: "custom", custom: { name: "g" } }, { mode: ToolChoice_Mode.NAMED, name: "g" }],
])("reads the choice %j", (tool_choice, expected) => {
  expect(read({ tools, tool_choice }).generation.toolChoice).toMatchObject(expected);
});

test("allowed tools are the only ones that stay", () => {
  const tool_choice = { type: "allowed_tools", allowed_tools: { mode: "required", tools: [{ type: "custom", custom: { name: "g" } }] } };
  expect(read({ tools, tool_choice }).generation).toMatchObject({ tools: [{ kind: { value: { name: "g" } } }], toolChoice: { mode: ToolChoice_Mode.REQUIRED } });
});

test.each([
  [{ prompt_cache_breakpoint: { mode: "explicit" } }, CacheMarker_Lifetime.UNSPECIFIED, []],
  [{ prompt_cache_breakpoint: { mode: "explicit", ttl: "30m" } }, CacheMarker_Lifetime.UNSPECIFIED, ["messages[].content[].prompt_cache_breakpoint.ttl"]],
  [{ cache_control: { type: "ephemeral", ttl: "1h" } }, CacheMarker_Lifetime.ONE_HOUR, []],
])("reads the cache marker %j", (marker, lifetime, unknown) => {
  const { generation, unknownFields } = read({ messages: [{ role: "user", content: [{ type: "text", text: "A", ...marker }] }] });
  expect(generation.messages[0]!.parts[0]!.cacheMarker).toMatchObject({ lifetime });
  expect(unknownFields).toEqual(unknown);
});

test.each([
  ["messages", { messages: null }],
  ["messages[0]", { messages: ["Hi"] }],
  ["messages[0].role", { messages: [{ content: "Hi" }] }],
  ["messages[0].role", { messages: [{ role: "robot", content: "Hi" }] }],
  ["messages[0].content", { messages: [{ role: "user", content: 7 }] }],
  ["messages[0].content[0].image_url.url", { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png,raw" } }] }] }],
  ["messages[0].content[0].input_audio.data", { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "?", format: "wav" } }] }] }],
  ["messages[0].tool_call_id", { messages: [{ role: "tool", content: "R" }] }],
  ["temperature", { temperature: "hot" }],
  ["max_tokens", { max_tokens: 1.5 }],
  ["max_tokens", { max_tokens: 1, max_completion_tokens: 2 }],
  ["n", { n: 2 ** 40 }],
  ["stop[1]", { stop: ["a", 1] }],
  ["metadata.a", { metadata: { a: 1 } }],
  ["logit_bias.a", { logit_bias: { a: "1" } }],
  ["reasoning_effort", { reasoning_effort: "huge" }],
  ["modalities[0]", { modalities: ["smell"] }],
  ["tool_choice", { tool_choice: "maybe" }],
  ["tools[0].function.name", { tools: [{ type: "function", function: {} }] }],
  ["tool_choice.allowed_tools.tools[0].function.name", { tools, tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "h" } }] } } }],
])("a fault in %s is named", (field, body) => {
  expect(() => read(body)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field })], message: expect.stringContaining(field) as string }));
});

test.each([
  ["response_format.type", { response_format: { type: "grammar" } }],
  ["tool_choice.type", { tool_choice: { type: "mcp" } }],
])("a value of %s that only OpenAI understands is refused, not dropped", (field, body) => {
  expect(() => read(body)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field } }));
});

test.each([{}, { model: 7 }, { model: null }])("%j has no model", (body) => {
  expect(() => endpoint.read(body)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field: "model" })] }));
});

test("nothing but model and stream is looked at before it must be", () => {
  expect(endpoint.read({ model: "m", messages: 7 })).toMatchObject({ model: "m", stream: false });
});
