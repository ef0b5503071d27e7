import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CacheMarker_Lifetime, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { buildRequest } from "./build-request.ts";
import { buildNativeRequest } from "./native-request.ts";
import { openaiItself, type OpenaiQuirks } from "../compatible/quirks.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;
type Json = { messages: { role: string; content: unknown }[]; [name: string]: unknown };

const text = (value: string) => ({ kind: { case: "text", value: { text: value } } }) as const;
const user = { role: Role.USER, parts: [text("Hi")] };
const image = { kind: { case: "image", value: { media: { source: { case: "data", value: new Uint8Array([1, 2, 3]) }, mediaType: "image/png" } } } } as const;

function build(init: GenerationInit, stream = false, quirks: OpenaiQuirks = openaiItself) {
  const request = buildRequest(create(GenerationSchema, { model: "route", messages: [user], ...init } as MessageInitShape<typeof GenerationSchema>), "gpt-x", stream, quirks);
  return { request, json: JSON.parse(Buffer.from(request.body).toString()) as Json, fields: request.warnings.map(({ field }) => field) };
}

test("the smallest request holds nothing that was not asked for", () => {
  const { json, request, fields } = build({});
  expect(json).toEqual({ model: "gpt-x", messages: [{ role: "user", content: "Hi" }] });
  expect(request).toMatchObject({ path: "/chat/completions", withholdUsage: false });
  expect(fields).toEqual([]);
});

test("a stream asks for its usage", () => {
  expect(build({}, true).json).toMatchObject({ stream: true, stream_options: { include_usage: true } });
});

test("the same types give the same bytes", () => {
  const init = { metadata: { b: "2", a: "1" }, sampling: { temperature: 0.5, logitBias: { "7": 1, "3": -1 } } };
  expect(Buffer.from(build(init).request.body).equals(build(init).request.body)).toBe(true);
});

const unsupported: readonly (readonly [field: string, init: GenerationInit])[] = [
  ["sampling.top_k", { sampling: { topK: 5n } }],
  ["sampling.seed", { sampling: { seed: 2n ** 60n } }],
  ["reasoning.budget_tokens", { reasoning: { budgetTokens: 4096n } }],
  ["reasoning.include_text", { reasoning: { effort: ReasoningOptions_Effort.LOW, includeText: true } }],
  ["messages.parts.cache_marker", { messages: [{ role: Role.USER, parts: [{ ...text("Hi"), cacheMarker: { lifetime: CacheMarker_Lifetime.ONE_HOUR } }] }] }],
  ["tools.cache_marker", { tools: [{ kind: { case: "function", value: { name: "f" } }, cacheMarker: {} }] }],
  ["tools.native", { tools: [{ kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from("{}") } } }] }],
  ["messages.parts.native", { messages: [{ role: Role.USER, parts: [{ kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from("{}") } } }] }] }],
  ["messages.parts.reasoning", { messages: [{ role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "hm", signature: "s" } } }, text("A")] }] }],
  ["messages.parts.text.citations", { messages: [{ role: Role.ASSISTANT, parts: [{ kind: { case: "text", value: { text: "A", citations: [{ url: "u" }] } } }] }] }],
  ["messages.parts.image.media.file_id", { messages: [{ role: Role.USER, parts: [{ kind: { case: "image", value: { media: { source: { case: "fileId", value: "f" } } } } }] }] }],
  ["messages.parts.audio.media", { messages: [{ role: Role.USER, parts: [{ kind: { case: "audio", value: { media: { source: { case: "url", value: "https://a" } } } } }] }] }],
  ["messages.parts.file.media.url", { messages: [{ role: Role.USER, parts: [{ kind: { case: "file", value: { media: { source: { case: "url", value: "https://a" } } } } }] }] }],
  ["messages.parts.tool_result.is_error", { messages: [{ role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "c", isError: true, parts: [text("no")] } } }] }] }],
  ["messages.parts.tool_result.parts", { messages: [{ role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "c", parts: [image] } } }] }] }],
];

test.each(unsupported)("%s is warned of, and refused when strict", (field, init) => {
  expect(build(init).fields).toEqual([field]);
  expect(() => build({ ...init, strict: true })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field } }));
});

test("says the same thing once, however often it occurs", () => {
  const marked = { ...text("Hi"), cacheMarker: {} };
  expect(build({ messages: [{ role: Role.USER, parts: [marked, marked] }, { role: Role.USER, parts: [marked] }] }).fields).toHaveLength(1);
});

test("all of a turn's results come first, then their images, then what the user says", () => {
  const result = (id: string, ...parts: object[]) => ({ kind: { case: "toolResult", value: { toolCallId: id, parts } } }) as const;
  const { json } = build({
    messages: [
      { role: Role.TOOL, parts: [result("a", text("one"), image)] },
      { role: Role.TOOL, parts: [result("b", text("two"))] },
      { role: Role.USER, parts: [result("c", text("three")), text("Go on")] },
    ] as GenerationInit["messages"] & object,
  });
  expect(json.messages).toEqual([
    { role: "tool", tool_call_id: "a", content: "one" },
    { role: "tool", tool_call_id: "b", content: "two" },
    { role: "tool", tool_call_id: "c", content: "three" },
    { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AQID" } }] },
    { role: "user", content: "Go on" },
  ]);
});

test("an assistant's turn of which nothing can go is still a turn", () => {
  const { json } = build({ messages: [{ role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "hm" } } }] }] });
  expect(json.messages).toEqual([{ role: "assistant", content: "" }]);
});

test.each([
  [0n, "none"],
  [1024n, "low"],
  [8192n, "medium"],
  [32_000n, "high"],
])("a bound of %s reasoning tokens becomes effort %s", (budgetTokens, effort) => {
  expect(build({ reasoning: { budgetTokens } }).json["reasoning_effort"]).toBe(effort);
});

test.each([
  ["tools.function.parameters_json_schema", { tools: [{ kind: { case: "function", value: { name: "f", parametersJsonSchema: "{" } } }] }],
  ["output_format.json_schema.json_schema", { outputFormat: { kind: { case: "jsonSchema", value: { name: "n", jsonSchema: "[]" } } } }],
  ["messages.role", { messages: [{ role: Role.UNSPECIFIED, parts: [] }] }],
] as const)("a fault in %s is named", (field, init) => {
  expect(() => build(init as GenerationInit)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field })] }));
});

test("native bytes keep everything but the model", () => {
  const body = '{ "model" : "route",\n "future_field": [1.0, 2], "messages":[] }';
  const request = buildNativeRequest(Buffer.from(body), "gpt-x", false, openaiItself);
  expect(Buffer.from(request.body).toString()).toBe('{ "model" : "gpt-x",\n "future_field": [1.0, 2], "messages":[] }');
  expect(request.withholdUsage).toBe(false);
});

test.each([
  ['{"model":"r","stream":true}', true, { include_usage: true }],
  ['{"model":"r","stream":true,"stream_options":null}', true, { include_usage: true }],
  ['{"model":"r","stream":true,"stream_options":{"include_obfuscation":false}}', true, { include_obfuscation: false, include_usage: true }],
  ['{"model":"r","stream":true,"stream_options":{"include_usage":false}}', true, { include_usage: true }],
  ['{"model":"r","stream":true,"stream_options":{"include_usage":true,"x":1}}', false, { include_usage: true, x: 1 }],
  ['{"model":"r","stream":true,"stream\\u005foptions":{"x":1}}', true, { x: 1, include_usage: true }],
])("a native stream of %s withholds its usage: %s", (body, withholdUsage, options) => {
  const request = buildNativeRequest(Buffer.from(body), "gpt-x", true, openaiItself);
  expect(request.withholdUsage).toBe(withholdUsage);
  expect(JSON.parse(Buffer.from(request.body).toString())).toEqual({ model: "gpt-x", stream: true, stream_options: options });
});
