import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CacheMarker_Lifetime, ImageDetail, Role, type Part, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { bedrockVendor } from "./bedrock-vendor.ts";
import { reply } from "./fixtures.ts";

type GenerationInit = MessageInitShape<typeof GenerationSchema>;
type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;

const text = (words: string): PartInit => ({ kind: { case: "text", value: { text: words } } });
const user = (...parts: PartInit[]) => ({ role: Role.USER, parts });
const hello = user(text("hello"));
const claude = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const claude37 = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";
const nova = "amazon.nova-pro-v1:0";
const llama = "meta.llama3-1-70b-instruct-v1:0";

function build(init: GenerationInit, model = claude) {
  const request = bedrockVendor.generate.buildRequest(create(GenerationSchema, { messages: [hello], ...init }), model, false);
  return { body: JSON.parse(Buffer.from(request.body).toString()) as Record<string, unknown>, warnings: request.warnings.map(({ field }) => field) };
}

const contentOf = (...parts: PartInit[]) => (build({ messages: [user(...parts)] }).body["messages"] as { content: unknown[] }[])[0]?.content;
const bytes = { source: { case: "data" as const, value: Buffer.from("content") } };
const base64 = Buffer.from("content").toString("base64");
const file = (mediaType: string, filename?: string): PartInit => ({ kind: { case: "file", value: { media: { ...bytes, mediaType }, ...(filename === undefined ? {} : { filename }) } } });

describe("the request for Converse", () => {
  it("holds what the simplest call needs, and nothing else, and goes to the model's own path", () => {
    expect(build({})).toEqual({ body: { messages: [{ role: "user", content: [{ text: "hello" }] }] }, warnings: [] });
    const paths = [false, true].map((stream) => bedrockVendor.generate.buildRequest(create(GenerationSchema, { messages: [hello] }), nova, stream).path);
    expect(paths).toEqual(["/model/amazon.nova-pro-v1%3A0/converse", "/model/amazon.nova-pro-v1%3A0/converse-stream"]);
  });

  it("is the same for the same input", () => {
    const generation = create(GenerationSchema, { messages: [hello], metadata: { b: "1", a: "2" } });
    const bodies = [1, 2].map(() => Buffer.from(bedrockVendor.generate.buildRequest(generation, claude, true).body));
    expect(bodies[0]).toEqual(bodies[1]);
  });

  it("moves instructions to system, with their cache points, and says when they stood amid the conversation", () => {
    const { body, warnings } = build({
      messages: [{ role: Role.SYSTEM, parts: [{ ...text("be brief"), cacheMarker: { lifetime: CacheMarker_Lifetime.ONE_HOUR } }] }, hello, { role: Role.DEVELOPER, parts: [text("in French")] }],
    });
    expect(body["system"]).toEqual([{ text: "be brief" }, { cachePoint: { type: "default", ttl: "1h" } }, { text: "in French" }]);
    expect(warnings).toEqual(["messages[].role"]);
  });

  it("puts neighbours of one role, tool results too, into one turn, and leaves out blank text", () => {
    const { body, warnings } = build({
      messages: [
        hello,
        { role: Role.ASSISTANT, parts: [text(""), { kind: { case: "toolCall", value: { id: "t1", name: "add", arguments: '{"a":1}' } } }] },
        { role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id: "t2", name: "stop" } } }] },
        { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "t1", parts: [text("2"), { kind: { case: "image", value: { media: { ...bytes, mediaType: "image/png" } } } }, file("application/pdf", "a.pdf")], isError: true } } }] },
        { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "t2" } } }] },
        user(text(" \n"), text("and now?")),
      ],
      tools: [{ kind: { case: "function", value: { name: "add" } } }],
    });
    expect(body["messages"]).toEqual([
      { role: "user", content: [{ text: "hello" }] },
      { role: "assistant", content: [{ toolUse: { toolUseId: "t1", name: "add", input: { a: 1 } } }, { toolUse: { toolUseId: "t2", name: "stop", input: {} } }] },
      {
        role: "user",
        content: [
          { toolResult: { toolUseId: "t1", content: [{ text: "2" }, { image: { format: "png", source: { bytes: base64 } } }, { document: { format: "pdf", name: "a", source: { bytes: base64 } } }], status: "error" } },
          { toolResult: { toolUseId: "t2", content: [] } },
          { text: "and now?" },
        ],
      },
    ]);
    expect(warnings).toEqual(["messages[].parts[].text"]);
  });

  it("keeps the digits of a call's numbers", () => {
    const generation = create(GenerationSchema, { messages: [{ role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id: "t", name: "n", arguments: '{"a":12345678901234567890}' } } }] }] });
    expect(Buffer.from(bedrockVendor.generate.buildRequest(generation, claude, false).body).toString()).toContain('{"a":12345678901234567890}');
  });

  it("gives a call and its result one id that Bedrock takes, whatever another vendor gave", () => {
    const idsOf = (id: string) => {
      const { body } = build({
        messages: [
          { role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id, name: "n" } } }] },
          { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: id } } }] },
        ],
      });
      const [call, result] = body["messages"] as { content: { toolUse?: { toolUseId: string }; toolResult?: { toolUseId: string } }[] }[];
      return [call!.content[0]!.toolUse!.toolUseId, result!.content[0]!.toolResult!.toolUseId] as const;
    };
    expect(idsOf("tooluse_-1")).toEqual(["tooluse_-1", "tooluse_-1"]);
    const given = ["functions.n:0", "functions.n:1", "", "a".repeat(65)].map(idsOf);
    for (const [call, result] of given) {
      expect(call).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      expect(result).toBe(call);
    }
    expect(new Set(given.map(([call]) => call)).size).toBe(given.length);
  });

  it("writes pictures, sounds, documents and videos as bytes", () => {
    const source = { bytes: base64 };
    expect(
      contentOf(
        { kind: { case: "image", value: { media: { ...bytes, mediaType: "image/jpeg" } } } },
        { kind: { case: "audio", value: { media: { ...bytes, mediaType: "audio/mpeg" } } } },
        file("video/quicktime"),
        file("text/x-python", "a.py"),
        file("", "Table.XLSX"),
        { kind: { case: "file", value: { media: { ...bytes, mediaType: "text/markdown" }, title: "Notes (old)", context: "of Monday", citationsEnabled: true } } },
      ),
    ).toEqual([
      { image: { format: "jpeg", source } },
      { audio: { format: "mp3", source } },
      { video: { format: "mov", source } },
      { document: { format: "txt", name: "a-py", source } },
      { document: { format: "xlsx", name: "Table-XLSX", source } },
      { document: { format: "md", name: "Notes (old)", source, context: "of Monday", citations: { enabled: true } } },
    ]);
  });

  it("gives each document one name of allowed characters, and says so", () => {
    const { body, warnings } = build({ messages: [user(file("application/pdf", "Röntgen  1.pdf"), file("application/pdf", "a.pdf"), file("application/pdf", "a.pdf"), file("application/pdf"))] });
    const content = (body["messages"] as { content: { document: { name: string } }[] }[])[0]!.content;
    expect(content.map(({ document }) => document.name)).toEqual(["R-ntgen 1", "a", "a (2)", "document"]);
    expect(warnings).toEqual(["messages[].parts[].file.filename"]);
  });

  it.each([
    ["an address on the web", { kind: { case: "image", value: { media: { source: { case: "url", value: "https://a.example/b.png" }, mediaType: "image/png" } } } }],
    ["a place in S3, which the gateway's rights would open", { kind: { case: "file", value: { media: { source: { case: "url", value: "s3://bucket/key.pdf" }, mediaType: "application/pdf" } } } }],
    ["a vendor's file", { kind: { case: "file", value: { media: { source: { case: "fileId", value: "file_1" } } } } }],
    ["a picture of no known format", { kind: { case: "image", value: { media: { ...bytes, mediaType: "image/tiff" } } } }],
    ["a document of no known format", file("application/zip", "a.zip")],
    ["a sound that is not there", { kind: { case: "audio", value: { id: "audio_1" } } }],
    ["another vendor's piece", { kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from("{}") } } }],
    ["a sound as a tool's result", { kind: { case: "toolResult", value: { parts: [{ kind: { case: "audio", value: { media: { ...bytes, mediaType: "audio/wav" } } } }] } } }],
  ] as readonly (readonly [string, PartInit])[])("refuses what cannot be left out: %s", (_what, part) => {
    expect(() => build({ messages: [user(part)] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", message: expect.stringMatching(/^Bedrock cannot honour /) }));
  });

  it("refuses pictures among the instructions", () => {
    const messages = [{ role: Role.SYSTEM, parts: [{ kind: { case: "image" as const, value: { media: { ...bytes, mediaType: "image/png" } } } }] }];
    expect(() => build({ messages })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });

  it("sends every block of a reply back as it came", () => {
    const { response } = bedrockVendor.generate.readReply(Buffer.from(JSON.stringify(reply)));
    const { body, warnings } = build({ messages: [response.candidates[0]!.message!], tools: [{ kind: { case: "function", value: { name: "paint" } } }] });
    const expected = reply.output.message.content.map((block) =>
      "citationsContent" in block ? { citationsContent: { ...block.citationsContent, content: [{ text: "The sky is blue — “blau”." }] } } : block,
    );
    expect(body["messages"]).toEqual([{ role: "assistant", content: expected }]);
    expect(warnings).toEqual([]);
  });

  it("leaves out reasoning that another vendor signed", () => {
    const signed = { kind: { case: "reasoning", value: { signature: "gemini:call:0:c2ln" } } } as const;
    const { body, warnings } = build({ messages: [hello, { role: Role.ASSISTANT, parts: [signed, { kind: { case: "text", value: { text: "blue" } } }] }] });
    expect(body["messages"]).toMatchObject([{}, { content: [{ text: "blue" }] }]);
    expect(warnings).toEqual(["messages[].parts[].reasoning"]);
  });

  it("calls a picture what it is", () => {
    const jpeg = { kind: { case: "image", value: { media: { source: { case: "data", value: Buffer.from("ffd8ffe0", "hex") }, mediaType: "image/png" } } } } as const;
    const { body, warnings } = build({
      messages: [{ role: Role.USER, parts: [jpeg] }],
    });
    expect(body["messages"]).toMatchObject([{ content: [{ image: { format: "jpeg" } }] }]);
    expect(warnings).toEqual([]);
  });

  it("leaves out reasoning that no model signed, and others' citations, and says so", () => {
    const { body, warnings } = build({
      messages: [hello, { role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "hm" } } }, { kind: { case: "text", value: { text: "blue", citations: [{ title: "t" }] } } }] }],
    });
    expect(body["messages"]).toMatchObject([{}, { content: [{ text: "blue" }] }]);
    expect(warnings).toEqual(["messages[].parts[].reasoning", "messages[].parts[].text.citations"]);
  });

  it("puts cache points behind what they mark, also where a tool's result holds the mark", () => {
    const marked = { ...text("a"), cacheMarker: { lifetime: CacheMarker_Lifetime.FIVE_MINUTES } };
    const { body } = build({
      messages: [user({ kind: { case: "toolResult", value: { toolCallId: "t", parts: [marked, text("b")] } } }, { ...text("c"), cacheMarker: {} })],
      tools: [{ kind: { case: "function", value: { name: "add" } }, cacheMarker: { lifetime: CacheMarker_Lifetime.ONE_HOUR } }],
    });
    expect(body["messages"]).toEqual([
      {
        role: "user",
        content: [
          { toolResult: { toolUseId: "t", content: [{ text: "a" }, { text: "b" }] } },
          { cachePoint: { type: "default", ttl: "5m" } },
          { text: "c" },
          { cachePoint: { type: "default" } },
        ],
      },
    ]);
    expect(body["toolConfig"]).toMatchObject({ tools: [{ toolSpec: { name: "add" } }, { cachePoint: { type: "default", ttl: "1h" } }] });
  });
});

describe("tools", () => {
  const add = { kind: { case: "function" as const, value: { name: "add", description: "adds", parametersJsonSchema: '{"properties":{"a":{"type":"number"}}}', strict: true } } };
  const called = { role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall" as const, value: { id: "t", name: "sub" } } }] };

  it("stand in toolConfig with their schemas", () => {
    expect(build({ tools: [add, { kind: { case: "native", value: { dialect: "bedrock", json: Buffer.from('{"systemTool":{"name":"nova_grounding"}}') } } }] }).body["toolConfig"]).toEqual({
      tools: [
        { toolSpec: { name: "add", description: "adds", inputSchema: { json: { type: "object", properties: { a: { type: "number" } }, additionalProperties: false } }, strict: true } },
        { systemTool: { name: "nova_grounding" } },
      ],
    });
  });

  it.each([
    [{ mode: ToolChoice_Mode.AUTO }, { auto: {} }],
    [{ mode: ToolChoice_Mode.REQUIRED }, { any: {} }],
    [{ mode: ToolChoice_Mode.NAMED, name: "add" }, { tool: { name: "add" } }],
    [{}, undefined],
  ])("are chosen: %j", (toolChoice, expected) => {
    expect((build({ tools: [add], toolChoice }).body["toolConfig"] as { toolChoice?: unknown }).toolChoice).toEqual(expected);
  });

  it("are left out where none may be used, as far as Bedrock lets them", () => {
    const none = { mode: ToolChoice_Mode.NONE };
    expect(build({ tools: [add], toolChoice: none })).toMatchObject({ body: expect.not.objectContaining({ toolConfig: expect.anything() }), warnings: ["tools"] });
    expect(build({ toolChoice: none }).warnings).toEqual([]);
    expect(build({ messages: [hello, called], tools: [add], toolChoice: none })).toMatchObject({ body: { toolConfig: { tools: [{}] } }, warnings: ["tool_choice"] });
  });

  it("are declared where a conversation has used them and the request has none", () => {
    expect(build({ messages: [hello, called] })).toMatchObject({ body: { toolConfig: { tools: [{ toolSpec: { name: "sub", inputSchema: { json: { type: "object" } } } }] } }, warnings: ["tools"] });
  });

  it("that are not known there are left out with a word", () => {
    const native = { kind: { case: "native" as const, value: { dialect: "anthropic", json: Buffer.from("{}") } } };
    expect(build({ tools: [native, { kind: { case: "custom", value: { name: "c" } } }] })).toMatchObject({ warnings: ["tools[0]", "tools[1]"] });
  });

  it.each([
    ["Claude", claude, undefined, {}, { tool_choice: { type: "auto", disable_parallel_tool_use: true } }, []],
    ["Claude that may choose", "anthropic.claude-opus-5-5", ToolChoice_Mode.AUTO, {}, { tool_choice: { type: "auto", disable_parallel_tool_use: true } }, []],
    ["Claude that must choose", claude, ToolChoice_Mode.REQUIRED, { toolChoice: { any: {} } }, undefined, ["parallel_tool_calls"]],
    ["an older Claude", "anthropic.claude-sonnet-4-20250514-v1:0", undefined, {}, undefined, ["parallel_tool_calls"]],
    ["a yet older Claude", claude37, undefined, {}, undefined, ["parallel_tool_calls"]],
    ["another model", nova, undefined, {}, undefined, ["parallel_tool_calls"]],
  ] as const)("are asked for one at a time, as far as it can be had: of %s", (_what, model, mode, toolConfig, additional, fields) => {
    const { body, warnings } = build({ tools: [add], parallelToolCalls: false, ...(mode === undefined ? {} : { toolChoice: { mode } }) }, model);
    expect(body["toolConfig"]).toEqual({ tools: [expect.anything()], ...toolConfig });
    expect([body["additionalModelRequestFields"], warnings]).toEqual([additional, fields]);
  });

  it("must have schemas that are objects", () => {
    const tools = [{ kind: { case: "function" as const, value: { name: "add", parametersJsonSchema: "[]" } } }];
    expect(() => build({ tools })).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
  });
});

describe("options", () => {
  it("stand where Converse has them", () => {
    const { body, warnings } = build(
      {
        maxOutputTokens: 100n,
        sampling: { temperature: 0.5, topP: 0.9 },
        stopSequences: ["END"],
        serviceTier: "flex",
        metadata: { team: "a", "not allowed!": "b" },
        outputFormat: { kind: { case: "jsonSchema", value: { name: "n", description: "d", jsonSchema: '{"type":"object"}' } } },
      },
      llama,
    );
    expect(body).toMatchObject({
      inferenceConfig: { maxTokens: 100, temperature: 0.5, topP: 0.9, stopSequences: ["END"] },
      additionalModelResponseFieldPaths: ["/stop_sequence"],
      serviceTier: { type: "flex" },
      requestMetadata: { team: "a" },
      outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema: { schema: '{"type":"object","additionalProperties":false}', name: "n", description: "d" } } } },
    });
    expect(warnings).toEqual(["metadata"]);
  });

  it.each([
    ["top_k of Claude", { sampling: { topK: 5n } }, claude, { top_k: 5 }, []],
    ["top_k of Nova", { sampling: { topK: 5n } }, nova, { inferenceConfig: { topK: 5 } }, []],
    ["top_k of another", { sampling: { topK: 5n } }, llama, undefined, ["sampling.top_k"]],
    ["a budget of Claude", { maxOutputTokens: 5000n, reasoning: { budgetTokens: 2000n } }, claude37, { thinking: { type: "enabled", budget_tokens: 2000 } }, []],
    ["a budget of Claude amid a turn that began without thinking", { messages: [hello, { role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id: "t", name: "f" } } }] }, { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "t" } } }] }], tools: [{ kind: { case: "function", value: { name: "f" } } }], maxOutputTokens: 5000n, reasoning: { budgetTokens: 2000n } }, claude37, undefined, ["reasoning"]],
    ["an effort of Claude by levels", { reasoning: { effort: ReasoningOptions_Effort.HIGH } }, "anthropic.claude-opus-4-7", { thinking: { type: "adaptive" }, output_config: { effort: "high" } }, []],
    ["a budget of Claude without budgets", { reasoning: { budgetTokens: 2000n } }, "anthropic.claude-opus-4-7", { thinking: { type: "adaptive" } }, ["reasoning.budget_tokens"]],
    ["top_k beside thinking", { maxOutputTokens: 5000n, sampling: { topK: 5n }, reasoning: { budgetTokens: 2000n } }, claude37, { thinking: { type: "enabled", budget_tokens: 2000 } }, ["sampling.top_k"]],
    ["an effort of Nova 2", { reasoning: { effort: ReasoningOptions_Effort.EXTRA_HIGH } }, "us.amazon.nova-2-lite-v1:0", { reasoningConfig: { type: "enabled", maxReasoningEffort: "high" } }, []],
    ["no reasoning of Nova 2", { reasoning: { effort: ReasoningOptions_Effort.NONE } }, "us.amazon.nova-2-lite-v1:0", undefined, []],
    ["a budget of gpt-oss", { reasoning: { budgetTokens: 2000n } }, "openai.gpt-oss-120b-1:0", { reasoning_effort: "medium" }, ["reasoning.budget_tokens"]],
    ["reasoning of another", { reasoning: { adaptive: true } }, llama, undefined, ["reasoning"]],
    ["no reasoning of another", { reasoning: { effort: ReasoningOptions_Effort.NONE } }, llama, undefined, ["reasoning.effort"]],
  ] as readonly (readonly [string, GenerationInit, string, unknown, string[]])[])("go to the model itself: %s", (_what, init, model, expected, fields) => {
    const { body, warnings } = build(init, model);
    expect(body["additionalModelRequestFields"]).toEqual(expected);
    expect(warnings).toEqual(fields);
  });

  it("say the output maximum where a budget must stay below it", () => {
    expect(build({ reasoning: { budgetTokens: 2000n } }, claude37).body["inferenceConfig"]).toEqual({ maxTokens: 64_000 });
  });

  it("of sampling are held to Bedrock's and Claude's bounds", () => {
    expect(build({ sampling: { temperature: 1.5 } }, llama)).toMatchObject({ body: { inferenceConfig: { temperature: 1 } }, warnings: ["sampling.temperature"] });
    expect(build({ sampling: { temperature: 0.5, topP: 0.5 } })).toMatchObject({ body: { inferenceConfig: { temperature: 0.5 } }, warnings: ["sampling.top_p"] });
  });

  const unsupported: GenerationInit = {
    sampling: { seed: 1n, presencePenalty: 1, frequencyPenalty: 1, logitBias: { "1": 1 } },
    logprobs: true,
    topLogprobs: 1,
    modalities: [Modality.AUDIO],
    audio: { voice: "v" },
    endUser: "u",
    store: true,
    verbosity: "low",
    promptCacheKey: "k",
    candidateCount: 2,
    serviceTier: "scale",
    outputFormat: { kind: { case: "jsonObject", value: {} } },
    messages: [{ ...user({ kind: { case: "image", value: { media: { ...bytes, mediaType: "image/png" }, detail: ImageDetail.HIGH } } }), name: "Ann" }],
  };

  it("that Bedrock has nothing for are told, one by one", () => {
    expect(build(unsupported, llama).warnings).toEqual([
      "sampling.seed", "sampling.presence_penalty", "sampling.frequency_penalty", "sampling.logit_bias", "logprobs", "top_logprobs", "modalities", "audio", "end_user", "store",
      "verbosity", "prompt_cache_key", "candidate_count", "messages[].name", "messages[].parts[].image.detail", "output_format.json_object", "service_tier",
    ]);
  });

  it("that Bedrock has nothing for are errors when strict", () => {
    for (const [name, value] of Object.entries(unsupported)) {
      expect(() => build({ [name]: value, strict: true }, llama), name).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
    }
  });
});
