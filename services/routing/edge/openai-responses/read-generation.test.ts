import { create, toJson } from "@bufbuild/protobuf";
import type { ResponseCreateParams } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import { ImageDetail, PartSchema, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { writeOpaquePart } from "./opaque-part.ts";
import { readGeneration } from "./read-generation.ts";

const read = (members: ResponseCreateParams | object) => readGeneration({ model: "m", input: "Hi", ...members });
const messagesOf = (input: ResponseCreateParams["input"]) => read({ input }).generation.messages;
const text = (value: string) => ({ kind: { case: "text", value: { text: value } } });

test("a string is a user's message, behind the instructions", () => {
  const { generation, unknownFields } = read({ instructions: "Be brief." });
  expect(generation).toMatchObject({ model: "m", messages: [{ role: Role.SYSTEM, parts: [text("Be brief.")] }, { role: Role.USER, parts: [text("Hi")] }] });
  expect(unknownFields).toEqual([]);
});

test("the items of one turn are one message, and so are its results", () => {
  const messages = messagesOf([
    { role: "developer", content: "Use tools." },
    { type: "message", role: "user", content: [{ type: "input_text", text: "A and B?" }] },
    { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "Both." }], status: "completed" },
    { type: "message", id: "msg_1", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Looking.", annotations: [] }, { type: "refusal", refusal: "Not C." }] },
    { type: "function_call", id: "fc_1", call_id: "a", name: "look", arguments: '{"of":"A"}', status: "completed" },
    { type: "custom_tool_call", id: "ctc_1", call_id: "b", name: "patch", input: "free" },
    { type: "function_call_output", call_id: "a", output: "1" },
    { type: "custom_tool_call_output", call_id: "b", output: [{ type: "input_text", text: "2" }, { type: "input_image", detail: "auto", image_url: "https://a/b.png" }] },
    { role: "user", content: "And?" },
    { role: "user", content: "Well?" },
  ]);
  expect(messages.map(({ role }) => role)).toEqual([Role.DEVELOPER, Role.USER, Role.ASSISTANT, Role.TOOL, Role.USER, Role.USER]);
  expect(messages[2]!.parts.map(({ kind }) => kind)).toMatchObject([
    { case: "reasoning", value: { text: "Both.", isSummary: true } },
    { case: "text", value: { text: "Looking." } },
    { case: "refusal", value: { text: "Not C." } },
    { case: "toolCall", value: { id: "a", name: "look", arguments: '{"of":"A"}', custom: false } },
    { case: "toolCall", value: { id: "b", name: "patch", arguments: '{"input":"free"}', custom: false } },
  ]);
  expect(messages[3]!.parts).toMatchObject([
    { kind: { case: "toolResult", value: { toolCallId: "a", parts: [text("1")] } } },
    { kind: { case: "toolResult", value: { toolCallId: "b", parts: [text("2"), { kind: { case: "image", value: { media: { source: { case: "url", value: "https://a/b.png" } } } } }] } } },
  ]);
});

test.each([
  [{ type: "input_image", detail: "high", image_url: "data:image/png;base64,AQI=" }, { case: "image", value: { detail: ImageDetail.HIGH, media: { mediaType: "image/png", source: { case: "data", value: Uint8Array.of(1, 2) } } } }],
  [{ type: "input_image", detail: "low", file_id: "file_1" }, { case: "image", value: { detail: ImageDetail.LOW, media: { source: { case: "fileId", value: "file_1" } } } }],
  [{ type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AQI=" }, { case: "file", value: { filename: "a.pdf", media: { mediaType: "application/pdf", source: { case: "data" } } } }],
  [{ type: "input_file", file_url: "https://a/b.pdf" }, { case: "file", value: { media: { source: { case: "url", value: "https://a/b.pdf" } } } }],
  [{ type: "input_file", file_id: "file_1" }, { case: "file", value: { media: { source: { case: "fileId", value: "file_1" } } } }],
  [{ type: "input_audio", input_audio: { data: "AQI=", format: "mp3" } }, { case: "audio", value: { media: { mediaType: "audio/mpeg", source: { case: "data" } } } }],
  [
    { type: "output_text", text: "A.", annotations: [{ type: "url_citation", url: "https://a", title: "A", start_index: 0, end_index: 2 }], logprobs: [] },
    { case: "text", value: { text: "A.", citations: [{ url: "https://a", title: "A", startIndex: 0, endIndex: 2 }] } },
  ],
  [
    { type: "output_text", text: "A.", annotations: [{ type: "file_citation", file_id: "", filename: "B", index: 0, start_index: 0, end_index: 2, cited_text: "b", document_index: 1 }] },
    { case: "text", value: { citations: [{ url: "", title: "B", citedText: "b", documentIndex: 1, endIndex: 2 }] } },
  ],
])("reads the content %j", (part, kind) => {
  const { generation, unknownFields } = read({ input: [{ role: "user", content: [part] }] });
  expect(generation.messages[0]!.parts[0]!.kind).toMatchObject(kind);
  expect(unknownFields).toEqual([]);
});

test.each([
  create(PartSchema, { kind: { case: "reasoning", value: { text: "h", signature: "sig" } } }),
  create(PartSchema, { kind: { case: "reasoning", value: { redactedData: "xyz" } } }),
  create(PartSchema, { kind: { case: "native", value: { dialect: "anthropic", json: new TextEncoder().encode('{"type":"server_tool_use"}') } } }),
])("what Weir put into encrypted_content comes back as it was, also when the client left the text out", (part) => {
  const messages = messagesOf([{ type: "reasoning", id: "rs_1", summary: [], encrypted_content: writeOpaquePart(part) }]);
  expect(messages).toMatchObject([{ role: Role.ASSISTANT, parts: [part] }]);
});

test.each(["gAAAAAB", "weir1.!!!", "weir1.AAAA", writeOpaquePart(create(PartSchema, { kind: { case: "text", value: { text: "not so" } } }))])("content that another encrypted (%s) is named as unread, and its summary stays", (encrypted_content) => {
  const { generation, unknownFields } = read({ input: [{ type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "s" }], encrypted_content }] });
  expect(generation.messages[0]!.parts).toMatchObject([{ kind: { case: "reasoning", value: { text: "s", redactedData: "", signature: "" } } }]);
  expect(unknownFields).toEqual(["input[].encrypted_content"]);
});

test("what OpenAI's own tools left behind stays in its own form", () => {
  const call = { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "a" } } as const;
  const output = { type: "local_shell_call_output", id: "1", output: "ok" } as const;
  const messages = messagesOf([call, output]);
  expect(messages.map(({ role }) => role)).toEqual([Role.ASSISTANT, Role.USER]);
  const [native] = messages[0]!.parts;
  expect(native!.kind).toMatchObject({ case: "native", value: { dialect: "openai-responses" } });
  expect(JSON.parse(Buffer.from((native!.kind.value as { json: Uint8Array }).json).toString())).toEqual(call);
});

test("a picture that was made is shown again", () => {
  const messages = messagesOf([{ type: "image_generation_call", id: "ig_1", status: "completed", result: "AQI=" }]);
  expect(messages[0]!.parts[0]!.kind).toMatchObject({ case: "image", value: { media: { mediaType: "image/png", source: { value: Uint8Array.of(1, 2) } } } });
});

test("reads every setting", () => {
  const { generation, unknownFields } = read({
    temperature: 0.5,
    top_p: 0.9,
    max_output_tokens: 100,
    parallel_tool_calls: false,
    reasoning: { effort: "xhigh", summary: "auto" },
    text: { verbosity: "low", format: { type: "json_schema", name: "n", description: "d", strict: true, schema: { type: "object" } } },
    include: ["reasoning.encrypted_content", "message.output_text.logprobs"],
    top_logprobs: 3,
    service_tier: "flex",
    safety_identifier: "u",
    user: "u",
    metadata: { a: "b" },
    store: false,
    prompt_cache_key: "k",
    truncation: "disabled",
    background: false,
    stream: true,
    stream_options: { include_obfuscation: false },
    previous_response_id: null,
  } satisfies ResponseCreateParams);
  expect(unknownFields).toEqual([]);
  expect(toJson(GenerationSchema, generation)).toEqual({
    model: "m",
    messages: [{ role: "ROLE_USER", parts: [{ text: { text: "Hi" } }] }],
    sampling: { temperature: 0.5, topP: 0.9 },
    maxOutputTokens: "100",
    parallelToolCalls: false,
    reasoning: { effort: "EFFORT_EXTRA_HIGH", includeText: true },
    verbosity: "low",
    outputFormat: { jsonSchema: { name: "n", description: "d", strict: true, jsonSchema: '{"type":"object"}' } },
    logprobs: true,
    topLogprobs: 3,
    serviceTier: "flex",
    endUser: "u",
    metadata: { a: "b" },
    store: false,
    promptCacheKey: "k",
  });
});

test("a summary alone asks for the reasoning without an effort", () => {
  expect(read({ reasoning: { summary: "detailed" } }).generation.reasoning).toMatchObject({ effort: ReasoningOptions_Effort.UNSPECIFIED, includeText: true });
  expect(read({ reasoning: { effort: null } }).generation.reasoning).toBeUndefined();
});

test("reads tools of every kind", () => {
  const { generation, unknownFields } = read({
    tools: [
      { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true, defer_loading: false },
      { type: "function", name: "bare", parameters: null, strict: null },
      { type: "custom", name: "c", format: { type: "text" } },
      { type: "custom", name: "g", format: { type: "grammar", syntax: "regex", definition: "a+" } },
      { type: "namespace", name: "files", description: "Files.", tools: [{ type: "function", name: "read", parameters: {} }] },
      { type: "web_search", search_context_size: "low" },
    ],
  } satisfies ResponseCreateParams);
  expect(generation.tools.map(({ kind }) => kind)).toMatchObject([
    { case: "function", value: { name: "f", description: "d", parametersJsonSchema: '{"type":"object"}', strict: true } },
    { case: "function", value: { name: "bare", parametersJsonSchema: "" } },
    { case: "function", value: { name: "c", description: "", parametersJsonSchema: expect.stringContaining('"input"') } },
    { case: "function", value: { name: "g", description: "The input must fit this regex grammar:\na+" } },
    { case: "function", value: { name: "files__read" } },
    { case: "native", value: { dialect: "openai-responses", json: new TextEncoder().encode('{"type":"web_search","search_context_size":"low"}') } },
  ]);
  expect(generation.tools[1]!.kind.value).not.toHaveProperty("strict");
  // What the tools of a namespace have in common has no place in types, and a grammar is not enforced.
  expect(unknownFields).toEqual(["tools[].format", "tools[].description"]);
});

test("tools that come with the input are tools, each as it came last", () => {
  const item = { type: "additional_tools", id: "at_1", role: "developer", tools: [{ type: "namespace", name: "functions", tools: [{ type: "custom", name: "exec" }] }] };
  const { generation, unknownFields } = read({ input: [item, item, { role: "user", content: "Hi" }], tools: [{ type: "function", name: "f" }] });
  expect(generation.tools.map(({ kind }) => kind)).toMatchObject([{ value: { name: "f" } }, { case: "function", value: { name: "functions__exec" } }]);
  expect(generation.messages).toHaveLength(1);
  expect(unknownFields).toEqual([]);
});

const tools = [{ type: "function", name: "a" }, { type: "custom", name: "b" }, { type: "web_search" }, { type: "namespace", name: "n", tools: [{ type: "function", name: "a" }] }];
test.each([
  ["auto", { mode: ToolChoice_Mode.AUTO }, 4],
  ["none", { mode: ToolChoice_Mode.NONE }, 4],
  ["required", { mode: ToolChoice_Mode.REQUIRED }, 4],
  [{ type: "function", name: "a" }, { mode: ToolChoice_Mode.NAMED, name: "a" }, 4],
  [{ type: "function", name: "a", namespace: "n" }, { mode: ToolChoice_Mode.NAMED, name: "n__a" }, 4],
  [{ type: "custom", name: "b" }, { mode: ToolChoice_Mode.NAMED, name: "b" }, 4],
  [{ type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "a" }, { type: "web_search" }] }, { mode: ToolChoice_Mode.REQUIRED }, 2],
])("reads the choice %j", (tool_choice, choice, left) => {
  const { generation, unknownFields } = read({ tools, tool_choice });
  expect(generation.toolChoice).toMatchObject(choice);
  expect(generation.tools).toHaveLength(left);
  expect(unknownFields).toEqual([]);
});

test.each([
  [{ max_tool_calls: 3 }, ["max_tool_calls"]],
  [{ input: [{ role: "assistant", content: [{ type: "output_text", text: "A", annotations: [{ type: "file_citation", file_id: "file_1", index: 0 }] }] }] }, ["input[].content[].annotations[].file_id", "input[].content[].annotations[].index"]],
  [{ truncation: "auto" }, ["truncation"]],
  [{ include: ["file_search_call.results"] }, ["include"]],
  [{ stream_options: { include_obfuscation: true } }, ["stream_options.include_obfuscation"]],
  [{ reasoning: { effort: "low", mode: "pro" } }, ["reasoning.mode"]],
  [{ user: "a", safety_identifier: "b" }, ["user"]],
  [{ tools: [{ type: "function", name: "f", defer_loading: true, output_schema: {} }] }, ["tools[].output_schema", "tools[].defer_loading"]],
  [{ input: [{ role: "assistant", content: "Hm", phase: "commentary" }] }, ["input[].phase"]],
  [{ input: [{ role: "user", content: [{ type: "input_image", image_url: "https://a", detail: "original" }] }] }, ["input[].content[].detail"]],
])("of %j, %j are unread", (members, expected) => {
  expect(read(members).unknownFields.toSorted()).toEqual(expected.toSorted());
});

test.each([
  ["previous_response_id", { previous_response_id: "resp_1" }, "INVALID_REQUEST"],
  ["conversation", { conversation: { id: "conv_1" } }, "INVALID_REQUEST"],
  ["prompt", { prompt: { id: "pmpt_1" } }, "INVALID_REQUEST"],
  ["background", { background: true }, "INVALID_REQUEST"],
  ["input", { input: null }, "INVALID_REQUEST"],
  ["input[0].type", { input: [{ type: "item_reference", id: "msg_1" }] }, "INVALID_REQUEST"],
  ["input[0].role", { input: [{ role: "tool", content: "a" }] }, "INVALID_REQUEST"],
  ["input[0].content", { input: [{ role: "user" }] }, "INVALID_REQUEST"],
  ["input[0].content[0].image_url", { input: [{ role: "user", content: [{ type: "input_image", image_url: "data:," }] }] }, "INVALID_REQUEST"],
  ["input[0].call_id", { input: [{ type: "function_call_output", output: "a" }] }, "INVALID_REQUEST"],
  ["reasoning.effort", { reasoning: { effort: "some" } }, "INVALID_REQUEST"],
  ["tool_choice", { tool_choice: "any" }, "INVALID_REQUEST"],
  ["tool_choice.tools[0].name", { tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "x" }] } }, "INVALID_REQUEST"],
])("a fault in %s is named", (field, members, reason) => {
  expect(() => read(members)).toThrow(expect.objectContaining({ reason, fieldViolations: [expect.objectContaining({ field })] }));
});

test.each([
  ["input[0].type", { input: [{ type: "compaction", encrypted_content: "x" }] }],
  ["input[0].content[0].type", { input: [{ role: "user", content: [{ type: "computer_screenshot" }] }] }],
  ["text.format.type", { text: { format: { type: "grammar" } } }],
  ["tool_choice.type", { tool_choice: { type: "mcp", server_label: "a" } }],
])("%s that only OpenAI understands is refused", (field, members) => {
  expect(() => read(members)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field } }));
});
