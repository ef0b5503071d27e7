import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { EmbedRequestSchema, GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { createOpenaiCompatible } from "./compatible.ts";
import { openaiItself, type OpenaiQuirks } from "./quirks.ts";

type GenerationInit = Partial<MessageInitShape<typeof GenerationSchema>>;
type Json = { readonly [name: string]: unknown };

const say = (role: Role, ...parts: NonNullable<NonNullable<GenerationInit["messages"]>[number]["parts"]>) => ({ role, parts });
const text = (value: string) => ({ kind: { case: "text", value: { text: value } } }) as const;
const user = say(Role.USER, text("Hi"));
const call = (id: string, custom = false) => ({ kind: { case: "toolCall", value: { id, name: "f", arguments: "{}", custom } } }) as const;
const image = { kind: { case: "image", value: { media: { source: { case: "data", value: new Uint8Array([1, 2, 3]) }, mediaType: "image/png" } } } } as const;

function vendorWith(quirks: Partial<OpenaiQuirks>) {
  return createOpenaiCompatible({ vendor: "other", baseUrl: "https://other.example/v1", quirks: { ...openaiItself, ...quirks }, takesOpenaiBytes: true, operations: ["embed"] });
}

function build(quirks: Partial<OpenaiQuirks>, init: GenerationInit, stream = false, model = "m") {
  const request = vendorWith(quirks).generate.buildRequest(create(GenerationSchema, { model: "m", messages: [user], ...init } as MessageInitShape<typeof GenerationSchema>), model, stream);
  return { json: JSON.parse(Buffer.from(request.body).toString()) as Json, fields: request.warnings.map(({ field }) => field) };
}

const { MINIMAL, MEDIUM, MAXIMUM } = ReasoningOptions_Effort;

const cases: readonly (readonly [name: string, quirks: Partial<OpenaiQuirks>, init: GenerationInit, members: Json, fields: readonly string[]])[] = [
  ["the output maximum's name", { outputMaximumField: "max_tokens" }, { maxOutputTokens: 7n }, { max_tokens: 7 }, []],
  ["the seed's name", { seedField: "random_seed" }, { sampling: { seed: 7n } }, { random_seed: 7 }, []],
  ["the end user's name", { endUserField: "user" }, { endUser: "u" }, { user: "u" }, []],
  ["top_k", { hasTopK: true }, { sampling: { topK: 7n } }, { top_k: 7 }, []],
  ["the word for a required tool", { requiredToolChoiceWord: "any" }, { toolChoice: { mode: ToolChoice_Mode.REQUIRED } }, { tool_choice: "any" }, []],
  ["a nearest effort below", { reasoningEfforts: ["none", "low", "high"] }, { reasoning: { effort: MEDIUM } }, { reasoning_effort: "low" }, ["reasoning.effort"]],
  ["a nearest effort above the least", { reasoningEfforts: ["low", "high"] }, { reasoning: { effort: MINIMAL } }, { reasoning_effort: "low" }, ["reasoning.effort"]],
  ["an effort in an object", { reasoningField: "reasoning" }, { reasoning: { effort: MAXIMUM, includeText: false } }, { reasoning: { effort: "max", exclude: true } }, []],
  ["a bound in tokens", { reasoningField: "reasoning" }, { reasoning: { budgetTokens: 99n } }, { reasoning: { max_tokens: 99 } }, []],
  ["a level and a bound", { reasoningField: "reasoning" }, { reasoning: { effort: MEDIUM, budgetTokens: 99n } }, { reasoning: { effort: "medium" } }, ["reasoning.budget_tokens"]],
  ["a schema where there are none", { hasJsonSchema: false }, { outputFormat: { kind: { case: "jsonSchema", value: { jsonSchema: "{}" } } } }, { response_format: { type: "json_object" } }, ["output_format.json_schema"]],
  ["a custom tool where there are none", { hasCustomTools: false }, { tools: [{ kind: { case: "custom", value: { name: "c" } } }] }, {}, ["tools.custom"]],
  ["what says nothing without tools", {}, { toolChoice: { mode: ToolChoice_Mode.AUTO }, parallelToolCalls: false }, {}, []],
  ["a ban on tools where all were left out", {}, { tools: [{ kind: { case: "native", value: { dialect: "anthropic" } } }], toolChoice: { mode: ToolChoice_Mode.NONE } }, {}, ["tools.native"]],
  [
    "a function without parameters",
    { needsToolParameters: true },
    { tools: [{ kind: { case: "function", value: { name: "f" } } }] },
    { tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }] },
    [],
  ],
];

test.each(cases)("%s", (_name, quirks, init, members, fields) => {
  const built = build(quirks, init);
  expect(built.json).toEqual({ model: "m", messages: [{ role: "user", content: "Hi" }], ...members });
  expect(built.fields).toEqual(fields);
});

test("members that the vendor does not know are left out with a warning, and without one where they asked for nothing", () => {
  const unknownMembers = ["logit_bias", "logprobs", "store", "modalities", "n", "user", "presence_penalty"] as const;
  const init: GenerationInit = { sampling: { logitBias: { "1": 2 }, presencePenalty: 0 }, logprobs: true, store: false, modalities: [Modality.TEXT], candidateCount: 2, endUser: "u" };
  const { json, fields } = build({ unknownMembers, endUserField: "user" }, init);
  expect(Object.keys(json)).toEqual(["model", "messages"]);
  expect(fields).toEqual(["sampling.logit_bias", "logprobs", "modalities", "candidate_count", "end_user"]);
  expect(() => build({ unknownMembers }, { ...init, strict: true })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});

test("usage is not asked for where it comes unasked, in the caller's own bytes neither", () => {
  expect(build({ hasStreamOptions: false }, {}, true).json).toEqual({ model: "m", messages: [{ role: "user", content: "Hi" }], stream: true });
  const native = vendorWith({ hasStreamOptions: false }).generate.buildNativeRequest(Buffer.from('{"model":"x","stream":true}'), "m", true);
  expect(Buffer.from(native.body).toString()).toBe('{"model":"m","stream":true}');
  expect(native.withholdUsage).toBe(false);
});

const messages: readonly (readonly [name: string, quirks: Partial<OpenaiQuirks>, message: NonNullable<GenerationInit["messages"]>[number], built: Json, fields: readonly string[]])[] = [
  ["a developer", { hasDeveloperRole: false }, say(Role.DEVELOPER, text("A")), { role: "system", content: "A" }, []],
  ["a speaker's name", { hasSpeakerNames: false }, { ...user, name: "Ann" }, { role: "user", content: "Hi" }, ["messages.name"]],
  ["a refusal", { hasRefusals: false }, say(Role.ASSISTANT, { kind: { case: "refusal", value: { text: "no" } } }), { role: "assistant", content: "no" }, []],
  [
    "an earlier reply in sound",
    { hasEarlierAudio: false },
    say(Role.ASSISTANT, { kind: { case: "audio", value: { id: "a", transcript: "la", media: { source: { case: "data", value: new Uint8Array() } } } } }),
    { role: "assistant", content: "la" },
    ["messages.parts.audio"],
  ],
  ["a message to go on with", { needsPrefixMark: true }, say(Role.ASSISTANT, text("So")), { role: "assistant", content: "So", prefix: true }, []],
  [
    "a call of a custom tool",
    { hasCustomTools: false },
    say(Role.ASSISTANT, call("c", true)),
    { role: "assistant", content: null, tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: '{"input":"{}"}' } }] },
    [],
  ],
  [
    "a picture in a tool's result",
    { hasMediaInToolResults: true },
    say(Role.TOOL, { kind: { case: "toolResult", value: { toolCallId: "c", parts: [image] } } }),
    { role: "tool", tool_call_id: "c", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AQID" } }] },
    [],
  ],
  [
    "a document",
    { documentPart: "document_url" },
    say(Role.USER, { kind: { case: "file", value: { media: { source: { case: "url", value: "https://a.example/b.pdf" } }, filename: "b.pdf" } } }),
    { role: "user", content: [{ type: "document_url", document_url: "https://a.example/b.pdf", document_name: "b.pdf" }] },
    [],
  ],
  [
    "sound",
    { soundForm: "data" },
    say(Role.USER, { kind: { case: "audio", value: { media: { source: { case: "data", value: new Uint8Array([1, 2, 3]) }, mediaType: "audio/mpeg" } } } }),
    { role: "user", content: [{ type: "input_audio", input_audio: "AQID" }] },
    [],
  ],
];

test.each(messages)("%s", (_name, quirks, message, built, fields) => {
  const { json, fields: noted } = build(quirks, { messages: [message] });
  expect(json["messages"]).toEqual([built]);
  expect(noted).toEqual(fields);
});

const thought = [
  { kind: { case: "reasoning", value: { text: "hm", signature: "s" } } },
  { kind: { case: "reasoning", value: { redactedData: "opaque" } } },
  { kind: { case: "reasoning", value: { text: "short", isSummary: true } } },
] as const;

const returns: readonly (readonly [OpenaiQuirks["reasoningReturn"], members: Json, fields: readonly string[]])[] = [
  ["none", { content: "A" }, ["messages.parts.reasoning"]],
  ["reasoning_content", { content: "A", reasoning_content: "hmshort" }, ["messages.parts.reasoning.signature", "messages.parts.reasoning.redacted_data"]],
  ["reasoning", { content: "A", reasoning: "hmshort" }, ["messages.parts.reasoning.signature", "messages.parts.reasoning.redacted_data"]],
  [
    "reasoning_details",
    {
      content: "A",
      reasoning_details: [
        { type: "reasoning.text", text: "hm", signature: "s", index: 0 },
        { type: "reasoning.encrypted", data: "opaque", index: 1 },
        { type: "reasoning.summary", summary: "short", index: 2 },
      ],
    },
    [],
  ],
  [
    "thinking_part",
    {
      content: [
        { type: "thinking", thinking: [{ type: "text", text: "hm" }], signature: "s", closed: true },
        { type: "thinking", thinking: [{ type: "text", text: "short" }], closed: true },
        { type: "text", text: "A" },
      ],
    },
    ["messages.parts.reasoning.redacted_data"],
  ],
];

test.each(returns)("sends reasoning back as %s", (reasoningReturn, members, fields) => {
  const built = build({ reasoningReturn }, { messages: [user, say(Role.ASSISTANT, ...thought, text("A")), user] });
  expect((built.json["messages"] as Json[])[1]).toEqual({ role: "assistant", ...members });
  expect(built.fields).toEqual(fields);
});

test("says that a signature is left out whose reasoning has no text to carry it", () => {
  const signed = { kind: { case: "reasoning", value: { signature: "s" } } } as const;
  const { json, fields } = build({ reasoningReturn: "thinking_part" }, { messages: [user, say(Role.ASSISTANT, signed, text("A")), user] });
  expect((json["messages"] as Json[])[1]).toEqual({ role: "assistant", content: "A" });
  expect(fields).toEqual(["messages.parts.reasoning.signature"]);
});

test("gives a call and its result the same id in the form that the vendor takes, and leaves its own ids as they are", () => {
  const conversation = ["call_a", "call_b", "aB3dE6gH9"].flatMap((id) => [say(Role.ASSISTANT, call(id)), say(Role.TOOL, { kind: { case: "toolResult", value: { toolCallId: id, parts: [text("1")] } } })]);
  const { json } = build({ toolCallIdForm: "nine_alphanumerics" }, { messages: conversation });
  const ids = (json["messages"] as { tool_calls?: [{ id: string }]; tool_call_id?: string }[]).map((message) => message.tool_calls?.[0].id ?? message.tool_call_id ?? "");
  for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
  expect([ids[1], ids[3]]).toEqual([ids[0], ids[2]]);
  expect(ids[0]).not.toBe(ids[2]);
  expect(ids.slice(4)).toEqual(["aB3dE6gH9", "aB3dE6gH9"]);
});

test("an id that is too long for OpenAI becomes a shorter one, in the call and in its result", () => {
  const long = "chatcmpl-tool-0123456789abcdef0123456789abcdef";
  const answered = (id: string) => [say(Role.ASSISTANT, call(id)), say(Role.TOOL, { kind: { case: "toolResult", value: { toolCallId: id, parts: [text("1")] } } })];
  const { json } = build({}, { messages: [...answered(long), ...answered("functions.f:0")] });
  const ids = (json["messages"] as { tool_calls?: [{ id: string }]; tool_call_id?: string }[]).map((message) => message.tool_calls?.[0].id ?? message.tool_call_id ?? "");
  expect(ids[0]).toMatch(/^[\w-]{1,40}$/);
  expect(ids).toEqual([ids[0], ids[0], "functions.f:0", "functions.f:0"]);
});

test.each([
  ["gpt-5.4", MEDIUM, "none", ["reasoning"]],
  ["gpt-5.6-sol", undefined, "none", ["reasoning"]],
  ["gpt-6-astra", ReasoningOptions_Effort.NONE, "none", []],
  ["gpt-5", MEDIUM, "medium", []],
  ["gpt-5.2", MEDIUM, "medium", []],
  ["gpt-4.1", undefined, undefined, []],
] as const)("tools of %s, asked to reason by %s, go with the effort %s", (model, effort, sent, fields) => {
  const reasoning = effort === undefined ? {} : { reasoning: { effort } };
  const tools: GenerationInit["tools"] = [{ kind: { case: "function", value: { name: "f" } } }];
  const built = build({}, { ...reasoning, tools }, false, model);
  expect([built.json["reasoning_effort"], built.fields]).toEqual([sent, fields]);
  expect(build({}, reasoning, false, model).fields).toEqual([]);
});

test("embeddings name the length of vectors as the vendor does, and refuse token ids where it takes none", () => {
  const embed = (quirks: Partial<OpenaiQuirks>, init: MessageInitShape<typeof EmbedRequestSchema>) => {
    const request = vendorWith(quirks).operations.embed!.buildRequest(create(EmbedRequestSchema, init), "m");
    return { json: JSON.parse(Buffer.from(request.body).toString()) as Json, fields: request.warnings.map(({ field }) => field) };
  };
  expect(embed({ dimensionsField: "output_dimension" }, { inputs: ["a"], dimensions: 3 }).json).toEqual({ model: "m", input: ["a"], output_dimension: 3 });
  expect(embed({ dimensionsField: undefined, unknownMembers: ["user"] }, { inputs: ["a"], dimensions: 3, endUser: "u" })).toEqual({ json: { model: "m", input: ["a"] }, fields: ["end_user", "dimensions"] });
  expect(() => embed({ hasTokenInputs: false }, { tokenInputs: [{ tokens: [1] }] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});

test("names the vendor's request by the first of its headers that is there", () => {
  const vendor = createOpenaiCompatible({ vendor: "other", baseUrl: "https://other.example", quirks: openaiItself, takesOpenaiBytes: false, operations: [], requestIdHeaders: ["a-id", "b-id"] });
  expect([vendor.upstreamRequestId({ "b-id": "b" }), vendor.upstreamRequestId({})]).toEqual(["b", ""]);
  expect([vendor.nativeDialects, vendor.operations]).toEqual([[], {}]);
});
