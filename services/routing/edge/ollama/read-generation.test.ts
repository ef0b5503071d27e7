import { expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort } from "#gen/weir/inference/v1/generation_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { embedEndpoint } from "./embed.ts";
import { chatEndpoint, promptEndpoint } from "./generate.ts";
import { readChat, readPrompt } from "./read-generation.ts";

const messages = [{ role: "user", content: "Hi" }];
const chat = (body: JsonObject) => readChat({ model: "m", messages, ...body });
const png = "iVBORw0KGgo=";

test("reads the options that types have, and names the others", () => {
  const { generation, unknownFields } = chat({
    options: { temperature: 0.5, top_p: 0.9, top_k: 40, seed: 7, presence_penalty: 1, frequency_penalty: -1, num_predict: 100, stop: ["END"], num_ctx: 4_096, min_p: 0.1 },
    logprobs: true, top_logprobs: 3, keep_alive: "5m", stream: true, future: 1,
  });
  expect(generation).toMatchObject({
    model: "m", maxOutputTokens: 100n, stopSequences: ["END"], logprobs: true, topLogprobs: 3,
    sampling: { temperature: 0.5, topP: 0.9, topK: 40n, seed: 7n, presencePenalty: 1, frequencyPenalty: -1 },
  });
  expect(unknownFields).toEqual(["options.num_ctx", "options.min_p", "keep_alive", "future"]);
});

test("no maximum is no maximum", () => {
  expect(chat({ options: { num_predict: -1, stop: "END" } }).generation).toMatchObject({ stopSequences: ["END"] });
  expect(chat({ options: { num_predict: -1 } }).generation.maxOutputTokens).toBeUndefined();
});

test.each([
  [true, { adaptive: true, includeText: true }],
  [false, { effort: ReasoningOptions_Effort.NONE }],
  ["low", { effort: ReasoningOptions_Effort.LOW, includeText: true }],
])("think %j", (think, reasoning) => {
  expect(chat({ think })).toMatchObject({ generation: { reasoning }, unknownFields: [] });
});

test("a level that is not known is named", () => {
  expect(chat({ think: "deeply" }).unknownFields).toEqual(["think"]);
});

test.each([
  ["json", { case: "jsonObject" }],
  [{ type: "object" }, { case: "jsonSchema", value: { jsonSchema: '{"type":"object"}' } }],
])("format %j", (format, kind) => {
  expect(chat({ format }).generation.outputFormat).toMatchObject({ kind });
});

test("reads a conversation with tools, whose results find their calls by name, by id or by order", () => {
  const call = (name: string, id?: string) => ({ ...(id === undefined ? {} : { id }), type: "function", function: { index: 0, name, arguments: { a: 1 } } });
  const { generation, unknownFields } = chat({
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Look.", images: [png] },
      { role: "assistant", content: "", thinking: "Hm.", tool_calls: [call("f"), call("g", "own"), call("f"), call("h")] },
      { role: "tool", content: "1", tool_name: "f" },
      { role: "tool", content: "2", tool_call_id: "own" },
      { role: "tool", content: "3" },
      { role: "tool", content: "4", name: "h" },
    ],
    tools: [{ type: "function", function: { name: "f", description: "F.", parameters: { type: "object" } } }, { type: "web_search" }],
  });
  expect(unknownFields).toEqual([]);
  expect(generation.messages.map(({ role, parts }) => [role, ...parts.map(({ kind }) => kind)])).toMatchObject([
    [Role.SYSTEM, { value: { text: "Be brief." } }],
    [Role.USER, { value: { text: "Look." } }, { case: "image", value: { media: { mediaType: "image/png" } } }],
    [Role.ASSISTANT, { case: "reasoning", value: { text: "Hm." } }, { value: { id: "call_0", name: "f", arguments: '{"a":1}' } }, { value: { id: "own" } }, { value: { id: "call_1" } }, { value: { id: "call_2" } }],
    [Role.TOOL, { case: "toolResult", value: { toolCallId: "call_0", parts: [{ kind: { value: { text: "1" } } }] } }],
    [Role.TOOL, { value: { toolCallId: "own" } }],
    [Role.TOOL, { value: { toolCallId: "call_1" } }],
    [Role.TOOL, { value: { toolCallId: "call_2" } }],
  ]);
  expect(generation.tools).toMatchObject([
    { kind: { case: "function", value: { name: "f", description: "F.", parametersJsonSchema: '{"type":"object"}' } } },
    { kind: { case: "native", value: { dialect: "ollama", json: Buffer.from('{"type":"web_search"}') } } },
  ]);
});

test("a prompt is one turn", () => {
  const { generation, unknownFields } = readPrompt({ model: "m", prompt: "Hi", system: "Be brief.", images: [png], suffix: "s", raw: true, context: [] });
  expect(generation.messages).toMatchObject([
    { role: Role.SYSTEM, parts: [{ kind: { value: { text: "Be brief." } } }] },
    { role: Role.USER, parts: [{ kind: { value: { text: "Hi" } } }, { kind: { case: "image" } }] },
  ]);
  expect(unknownFields).toEqual(["suffix", "raw"]);
});

test.each([
  ["/9j/4AAQ", "image/jpeg"],
  ["R0lGODlh", "image/gif"],
  [Buffer.from("RIFF0000WEBPVP8 ").toString("base64"), "image/webp"],
])("an image %s is %s", (image, mediaType) => {
  expect(chat({ messages: [{ role: "user", images: [image] }] }).generation.messages[0]!.parts).toMatchObject([{ kind: { value: { media: { mediaType } } } }]);
});

test.each([
  ["messages", { messages: [] }],
  ["messages[0].role", { messages: [{ role: "narrator" }] }],
  ["messages[0].images[0]", { messages: [{ role: "user", images: ["AAEC"] }] }],
  ["messages[0].tool_calls[0].function.arguments", { messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: "{}" } }] }] }],
  ["format", { format: "xml" }],
  ["options.temperature", { options: { temperature: "hot" } }],
  ["options.seed", { options: { seed: 1.5 } }],
])("refuses %s", (field, body) => {
  expect(() => chat(body)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field })] }));
});

test("reads no more than the model and whether to stream until types are wanted", () => {
  expect(chatEndpoint.read({ model: "m", messages: 7 })).toMatchObject({ model: "m", stream: true, isNative: true, unknownFields: [] });
  expect(promptEndpoint.read({ model: "m", stream: false })).toMatchObject({ model: "m", stream: false, isNative: false });
  expect(() => chatEndpoint.read({})).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});

test("reads what to embed", () => {
  const call = embedEndpoint.read({ model: "m", input: "a", dimensions: 8, keep_alive: 0 });
  expect(call.toRequest()).toMatchObject({ model: "m", inputs: ["a"], dimensions: 8 });
  expect(call.unknownFields).toEqual(["keep_alive"]);
  expect(embedEndpoint.read({ model: "m", input: ["a", "b"] }).toRequest()).toMatchObject({ inputs: ["a", "b"] });
  expect(() => embedEndpoint.read({ model: "m", input: [] }).toRequest()).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});
