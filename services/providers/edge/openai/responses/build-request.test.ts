/** Owns the proof of what a generation comes to as a Responses request. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CacheMarker_Lifetime, ImageDetail, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { buildResponsesRequest } from "./build-request.ts";
import { atUsualPrice } from "../usual-price.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;
type PartInit = NonNullable<NonNullable<GenerationInit["messages"]>[number]["parts"]>[number];
type Json = { readonly [name: string]: unknown };

const { HIGH } = ReasoningOptions_Effort;
const text = (value: string) => ({ kind: { case: "text", value: { text: value } } }) as const;
const say = (role: Role, ...parts: PartInit[]) => ({ role, parts });
const user = say(Role.USER, text("Hi"));
const bytes = (mediaType: string) => ({ source: { case: "data" as const, value: new Uint8Array([1, 2, 3]) }, mediaType });
const image = { kind: { case: "image", value: { media: bytes("image/png") } } } as const;
const reasoning = (signature: string, said = "") => ({ kind: { case: "reasoning", value: { text: said, signature } } }) as const;
const call = (id: string, custom = false) => ({ kind: { case: "toolCall", value: { id, name: "f", arguments: "{}", custom } } }) as const;
const result = (toolCallId: string, ...parts: PartInit[]) => ({ kind: { case: "toolResult", value: { toolCallId, parts } } }) as const;

function build(init: GenerationInit, stream = false, model = "gpt-5.6") {
  const request = buildResponsesRequest(create(GenerationSchema, { model: "route", messages: [user], ...init } as MessageInitShape<typeof GenerationSchema>), model, stream, "openai");
  return { request, json: JSON.parse(Buffer.from(request.body).toString()) as Json, fields: request.warnings.map(({ field }) => field) };
}

const always = { model: "gpt-5.6", store: false, include: ["reasoning.encrypted_content"] };
const hi = { input: [{ role: "user", content: "Hi" }] };

test("the smallest request keeps nothing at the vendor, and asks for its reasoning encrypted", () => {
  const { json, request, fields } = build({});
  expect(json).toEqual({ ...always, ...hi });
  expect(request).toMatchObject({ path: "/responses", withholdUsage: false });
  expect(fields).toEqual([]);
  expect(build({}, true).json).toEqual({ ...always, ...hi, stream: true });
});

test("where a budget holds the usual price, it is asked for", () => {
  const tierOf = (init: GenerationInit) => (JSON.parse(Buffer.from(atUsualPrice(build(init).request).body).toString()) as Json)["service_tier"];
  expect([tierOf({}), tierOf({ serviceTier: "auto" }), tierOf({ serviceTier: "flex" })]).toEqual(["default", "default", "flex"]);
});

const options: readonly (readonly [what: string, init: GenerationInit, members: Json, fields?: readonly string[], model?: string])[] = [
  ["the output maximum", { maxOutputTokens: 777n }, { max_output_tokens: 777 }],
  ["an effort", { reasoning: { effort: HIGH } }, { reasoning: { effort: "high" } }],
  ["a bound for reasoning", { reasoning: { budgetTokens: 2048n } }, { reasoning: { effort: "low" } }, ["reasoning.budget_tokens"]],
  ["reasoning to be seen", { reasoning: { effort: HIGH, includeText: true } }, { reasoning: { effort: "high", summary: "auto" } }],
  ["reasoning not to be seen", { reasoning: { includeText: false } }, {}],
  ["a model that decides how much", { reasoning: { adaptive: true } }, {}],
  ["a model that would decide for none", { reasoning: { adaptive: true } }, { model: "gpt-5.2", reasoning: { effort: "medium" } }, [], "gpt-5.2"],
  ["text", { outputFormat: { kind: { case: "text", value: {} } }, verbosity: "low" }, { text: { format: { type: "text" }, verbosity: "low" } }],
  ["some JSON", { outputFormat: { kind: { case: "jsonObject", value: {} } } }, { text: { format: { type: "json_object" } } }],
  [
    "a schema",
    { outputFormat: { kind: { case: "jsonSchema", value: { name: "n", description: "d", jsonSchema: '{"type":"object"}', strict: true } } } },
    { text: { format: { type: "json_schema", name: "n", description: "d", schema: { type: "object" }, strict: true } } },
  ],
  [
    "whom and what for",
    { serviceTier: "flex", endUser: "u", metadata: { a: "1" }, promptCacheKey: "k" },
    { service_tier: "flex", safety_identifier: "u", metadata: { a: "1" }, prompt_cache_key: "k" },
  ],
  ["what says nothing", { sampling: { temperature: 1, topP: 1 }, topLogprobs: 0, parallelToolCalls: false, toolChoice: { mode: ToolChoice_Mode.AUTO } }, {}],
  [
    "sampling of a model that reasons",
    { sampling: { temperature: 0.5, topP: 0.5, topK: 4n }, logprobs: true, topLogprobs: 2 },
    {},
    ["sampling.top_k", "sampling.temperature", "sampling.top_p", "logprobs"],
  ],
  ["sampling of one that is asked to", { sampling: { temperature: 0.5 }, reasoning: { effort: HIGH } }, { model: "gpt-5.1", reasoning: { effort: "high" } }, ["sampling.temperature"], "gpt-5.1"],
  [
    "sampling of one that is not asked to",
    { sampling: { temperature: 0.5, topP: 0.5 }, logprobs: true, topLogprobs: 2 },
    { model: "gpt-5.4-mini", temperature: 0.5, top_p: 0.5, top_logprobs: 2, include: [...always.include, "message.output_text.logprobs"] },
    [],
    "gpt-5.4-mini",
  ],
];

test.each(options.map((row) => ({ row, what: row[0] })))("$what", ({ row: [, init, members, fields = [], model = "gpt-5.6"] }) => {
  const built = build(init, false, model);
  expect(built.json).toEqual({ ...always, ...hi, ...members });
  expect(built.fields).toEqual(fields);
});

test("tools, and the choice among them", () => {
  const { json, fields } = build({
    tools: [
      { kind: { case: "function", value: { name: "f", description: "d", parametersJsonSchema: '{"type":"object"}', strict: true } } },
      { kind: { case: "function", value: { name: "g" } } },
      { kind: { case: "custom", value: { name: "c", description: "d", formatJson: Buffer.from('{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}') } } },
      { kind: { case: "native", value: { dialect: "openai-responses", json: Buffer.from('{"type":"web_search","filters":{}}') } } },
      { kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from("{}") } }, cacheMarker: {} },
    ],
    toolChoice: { mode: ToolChoice_Mode.NAMED, name: "c" },
    parallelToolCalls: false,
  });
  expect(json).toMatchObject({
    tools: [
      { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true },
      { type: "function", name: "g", parameters: null, strict: null },
      { type: "custom", name: "c", description: "d", format: { type: "grammar", syntax: "lark", definition: "x" } },
      { type: "web_search", filters: {} },
    ],
    tool_choice: { type: "custom", name: "c" },
    parallel_tool_calls: false,
  });
  expect(fields).toEqual(["tools.cache_marker", "tools.native"]);
  const choose = (mode: ToolChoice_Mode, name = "") => build({ tools: [{ kind: { case: "function", value: { name: "f" } } }], toolChoice: { mode, name } }).json["tool_choice"];
  expect([choose(ToolChoice_Mode.AUTO), choose(ToolChoice_Mode.NONE), choose(ToolChoice_Mode.REQUIRED), choose(ToolChoice_Mode.NAMED, "f")]).toEqual(["auto", "none", "required", { type: "function", name: "f" }]);
});

test("a conversation is one item for each thing that was said, done or thought, in their order", () => {
  const { json, fields } = build({
    messages: [
      say(Role.SYSTEM, text("S")),
      say(Role.DEVELOPER, text("D")),
      say(Role.USER, text("What is this?"), { kind: { case: "image", value: { media: bytes("image/png"), detail: ImageDetail.HIGH } } }, { kind: { case: "image", value: { media: { source: { case: "fileId", value: "file-1" } } } } }),
      say(Role.ASSISTANT, reasoning("openai:rs_1:gAAA:B=", "I look."), text("Let me see."), call("call_1"), call("call_2", true)),
      say(Role.TOOL, result("call_1", text("a"), text("b")), result("call_2", text("c"), image), text("And?")),
      say(Role.ASSISTANT, { kind: { case: "refusal", value: { text: "No." } } }),
      say(Role.USER, { kind: { case: "file", value: { media: bytes("application/pdf") } } }, { kind: { case: "file", value: { media: { source: { case: "url", value: "https://a/b.pdf" } } } } }, { kind: { case: "file", value: { media: { source: { case: "fileId", value: "file-2" } }, filename: "c.pdf" } } }),
      say(Role.ASSISTANT, { kind: { case: "native", value: { dialect: "openai-responses", json: Buffer.from('{"type":"web_search_call","id":"ws_1"}') } } }, text("A"), text("B")),
      say(Role.USER),
    ],
  });
  expect(json["input"]).toEqual([
    { role: "system", content: "S" },
    { role: "developer", content: "D" },
    {
      role: "user",
      content: [
        { type: "input_text", text: "What is this?" },
        { type: "input_image", image_url: "data:image/png;base64,AQID", detail: "high" },
        { type: "input_image", file_id: "file-1", detail: "auto" },
      ],
    },
    { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "I look." }], encrypted_content: "gAAA:B=" },
    { role: "assistant", content: "Let me see." },
    { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" },
    { type: "custom_tool_call", call_id: "call_2", name: "f", input: "{}" },
    { type: "function_call_output", call_id: "call_1", output: "ab" },
    { type: "custom_tool_call_output", call_id: "call_2", output: [{ type: "input_text", text: "c" }, { type: "input_image", image_url: "data:image/png;base64,AQID", detail: "auto" }] },
    { role: "user", content: "And?" },
    { role: "assistant", content: [{ type: "refusal", refusal: "No." }] },
    {
      role: "user",
      content: [
        { type: "input_file", file_data: "data:application/pdf;base64,AQID", filename: "document" },
        { type: "input_file", file_url: "https://a/b.pdf" },
        { type: "input_file", file_id: "file-2", filename: "c.pdf" },
      ],
    },
    { type: "web_search_call", id: "ws_1" },
    { role: "assistant", content: [{ type: "output_text", text: "A" }, { type: "output_text", text: "B" }] },
  ]);
  expect(fields).toEqual([]);
});

test.each<readonly [what: string, parts: readonly PartInit[]]>([
  ["of another vendor", [reasoning("azure:rs_1:gAAA", "hm"), text("A")]],
  ["of Anthropic", [reasoning("c2ln", "hm"), text("A")]],
  ["without a signature", [reasoning("", "hm"), text("A")]],
  ["that another vendor encrypted", [{ kind: { case: "reasoning", value: { redactedData: "x" } } }, text("A")]],
  ["that led to nothing", [text("A"), reasoning("openai:rs_1:gAAA")]],
])("reasoning %s is left out, and the vendor's own stays", (_what, parts) => {
  const { json, fields } = build({ messages: [user, say(Role.ASSISTANT, ...parts), user, say(Role.ASSISTANT, reasoning("openai:rs_2:gBBB"), reasoning("openai:rs_3:gCCC"), call("c"))] });
  expect(json["input"]).toEqual([
    { role: "user", content: "Hi" },
    { role: "assistant", content: "A" },
    { role: "user", content: "Hi" },
    { type: "reasoning", id: "rs_2", summary: [], encrypted_content: "gBBB" },
    { type: "reasoning", id: "rs_3", summary: [], encrypted_content: "gCCC" },
    { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
  ]);
  expect(fields).toEqual(["messages.parts.reasoning"]);
});

test.each<readonly [field: string, init: GenerationInit]>([
  ["messages.parts.reasoning", { messages: [say(Role.ASSISTANT, reasoning("s", "hm"), text("A")), user] }],
  ["messages.parts.cache_marker", { messages: [say(Role.USER, { ...text("Hi"), cacheMarker: { lifetime: CacheMarker_Lifetime.ONE_HOUR } })] }],
  ["messages.parts.tool_result.is_error", { messages: [say(Role.TOOL, { kind: { case: "toolResult", value: { toolCallId: "c", isError: true, parts: [text("no")] } } })] }],
  ["messages.parts.text.citations", { messages: [say(Role.ASSISTANT, { kind: { case: "text", value: { text: "A", citations: [{ url: "u" }] } } })] }],
  ["messages.parts.native", { messages: [say(Role.USER, text("Hi"), { kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from("{}") } } })] }],
  ["messages.parts", { messages: [user, say(Role.ASSISTANT, image, text("A"))] }],
  ["messages.parts.file.title", { messages: [say(Role.USER, { kind: { case: "file", value: { media: bytes("application/pdf"), title: "t" } } })] }],
  ["messages.parts.file.context", { messages: [say(Role.USER, { kind: { case: "file", value: { media: bytes("application/pdf"), context: "c" } } })] }],
  ["messages.parts.file.citations_enabled", { messages: [say(Role.USER, { kind: { case: "file", value: { media: bytes("application/pdf"), citationsEnabled: true } } })] }],
])("%s is warned of, and refused when strict", (field, init) => {
  expect(build(init).fields).toEqual([field]);
  expect(() => build({ ...init, strict: true })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field } }));
});
