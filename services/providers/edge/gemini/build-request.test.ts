import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import { describe, expect, it } from "vitest";
import { ImageDetail, Role, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { geminiVendor } from "./gemini-vendor.ts";
import { reply, type BodyJson } from "./fixtures.ts";
import { sealSignature, skippedSignature } from "./thought-signatures.ts";

type GenerationInit = MessageInitShape<typeof GenerationSchema>;
type MessageInit = NonNullable<GenerationInit["messages"]>[number];
type PartInit = MessageInitShape<typeof PartSchema>;

const text = (words: string): PartInit => ({ kind: { case: "text", value: { text: words } } });
const user = (...parts: PartInit[]): MessageInit => ({ role: Role.USER, parts });
const model = (...parts: PartInit[]): MessageInit => ({ role: Role.ASSISTANT, parts });
const call = (id: string, name: string, json = "{}"): PartInit => ({ kind: { case: "toolCall", value: { id, name, arguments: json } } });
const result = (toolCallId: string, parts: PartInit[], isError = false): PartInit => ({ kind: { case: "toolResult", value: { toolCallId, parts, isError } } });
const reasoning = (value: { text?: string; signature?: string; redactedData?: string }): PartInit => ({ kind: { case: "reasoning", value } });
const hello = user(text("hello"));
const older = "gemini-2.5-flash";

function build(init: GenerationInit, modelName = "gemini-3.1-pro-preview", stream = false) {
  const generation = create(GenerationSchema, { messages: [hello], ...init });
  const request = geminiVendor.generate.buildRequest(generation, modelName, stream);
  const body = JSON.parse(Buffer.from(request.body).toString()) as BodyJson & { generationConfig?: Record<string, unknown> };
  return { body, path: request.path, warnings: request.warnings.map(({ field }) => field) };
}

/** The parts that one part of a message becomes. */
function written(part: PartInit, modelName?: string) {
  const { body, warnings } = build({ messages: [model(call("c", "look")), user(part)] }, modelName);
  return { parts: (body.contents as { parts: unknown[] }[])[1]?.parts, warnings };
}

describe("the request for Gemini", () => {
  it("holds what the simplest call needs, and nothing else", () => {
    expect(build({})).toEqual({ path: "/models/gemini-3.1-pro-preview:generateContent", body: { contents: [{ role: "user", parts: [{ text: "hello" }] }] }, warnings: [] });
    expect(build({}, "gemini-3.8-flash", true).path).toBe("/models/gemini-3.8-flash:streamGenerateContent?alt=sse");
    expect(geminiVendor.authorize(new Secret("AIza-key"))).toEqual({ "x-goog-api-key": "AIza-key" });
  });

  it("stays below the base URL whatever the model is called", () => {
    expect(build({}, "tunedModels/mine").path).toBe("/tunedModels/mine:generateContent");
    expect(build({}, "models/gemini-3.8-flash").path).toBe("/models/gemini-3.8-flash:generateContent");
    expect(build({}, "../files/x?y#z").path).toBe("/models/..%2Ffiles%2Fx%3Fy%23z:generateContent");
  });

  it("is the same for the same input", () => {
    expect(build({ metadata: { a: "1" } })).toEqual(build({ metadata: { a: "1" } }));
  });

  it("leaves the caller's own bytes as they are", () => {
    const bytes = Buffer.from('{ "contents": [], "new": 1.50e0 }');
    const request = geminiVendor.generate.buildNativeRequest(bytes, "gemini-3.8-flash", true);
    expect(Buffer.from(request.body)).toEqual(bytes);
    expect(request).toMatchObject({ path: "/models/gemini-3.8-flash:streamGenerateContent?alt=sse", withholdUsage: false });
  });

  describe("of a conversation that other vendors took part in", () => {
    const mark = (signature: string): string => Buffer.from(`weir:${signature}`).toString("base64url");
    const native = (contents: unknown, model = "gemini-3.8-flash"): unknown => (JSON.parse(Buffer.from(geminiVendor.generate.buildNativeRequest(Buffer.from(JSON.stringify({ contents, n: 1 })), model, false).body).toString()) as { contents: unknown }).contents;
    const call = (name: string, more: object = {}) => ({ functionCall: { name, args: {} }, ...more });
    const asked = { role: "user", parts: [{ text: "hello" }] };

    it("leaves out what they signed and encrypted, and says so of the first of their calls", () => {
      const theirs = [{ text: "Hm.", thought: true, thoughtSignature: mark("EqQB") }, { text: "", thought: true, thoughtSignature: mark("EqQB") }, { thought: true, text: "", partMetadata: { weir: { redactedData: "x" } } }, { text: "yes", thoughtSignature: mark("openai:rs:g") }];
      const contents = [asked, { role: "model", parts: [...theirs, call("a", { thoughtSignature: mark("") }), call("b", { thoughtSignature: mark("") })] }, asked, { role: "model", parts: [{ thoughtSignature: mark("mistral:x") }] }];
      expect(native(contents)).toEqual([asked, { role: "model", parts: [{ text: "Hm.", thought: true }, { text: "yes" }, call("a", { thoughtSignature: skippedSignature }), call("b")] }, asked]);
      expect(native(contents, "gemini-2.5-pro")).toEqual([asked, { role: "model", parts: [{ text: "Hm.", thought: true }, { text: "yes" }, call("a"), call("b")] }, asked]);
    });

    it("keeps Google's own signatures, those too that came through types", () => {
      const own = [call("a", { thoughtSignature: "c2ln" }), call("b")];
      const contents = [asked, { role: "model", parts: own }, asked, { role: "model", parts: [call("a", { thoughtSignature: mark("gemini:call:0:c2ln") })] }, { role: "model", parts: [call("b", { thoughtSignature: mark("") })] }];
      expect(native(contents)).toEqual([asked, { role: "model", parts: own }, asked, { role: "model", parts: [call("a", { thoughtSignature: "c2ln" })] }, { role: "model", parts: [call("b")] }]);
    });
  });

  it("moves instructions to the start and says when they stood amid the conversation", () => {
    const { body, warnings } = build({ messages: [{ role: Role.SYSTEM, parts: [text("be brief")] }, hello, { role: Role.DEVELOPER, parts: [text("in French")] }] });
    expect(body["systemInstruction"]).toEqual({ parts: [{ text: "be brief" }, { text: "in French" }] });
    expect(body.contents).toEqual([{ role: "user", parts: [{ text: "hello" }] }]);
    expect(warnings).toEqual(["messages[].role"]);
    const image = { kind: { case: "image", value: { media: { source: { case: "url", value: "https://a.example/b.png" } } } } } satisfies PartInit;
    expect(() => build({ messages: [{ role: Role.SYSTEM, parts: [image] }, hello] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });

  it("puts roles in turn, results of parallel calls into one, and leaves out empty text", () => {
    const { body } = build({
      messages: [
        hello,
        model(text(""), call("a", "add", '{"n":1}'), call("b", "say")),
        { role: Role.TOOL, parts: [result("b", [text("two")], true)] },
        { role: Role.TOOL, parts: [result("a", [text("1"), text("2")])] },
        hello,
        model(text("done")),
      ],
    }, older);
    expect(body.contents).toEqual([
      { role: "user", parts: [{ text: "hello" }] },
      { role: "model", parts: [{ functionCall: { id: "a", name: "add", args: { n: 1 } } }, { functionCall: { id: "b", name: "say", args: {} } }] },
      {
        role: "user",
        parts: [
          { functionResponse: { id: "b", name: "say", response: { error: "two" } } },
          { functionResponse: { id: "a", name: "add", response: { output: ["1", "2"] } } },
          { text: "hello" },
        ],
      },
      { role: "model", parts: [{ text: "done" }] },
    ]);
  });

  it("keeps every digit of a call's arguments", () => {
    const generation = create(GenerationSchema, { messages: [hello, model(call("a", "add", '{"n":12345678901234567890}'))] });
    expect(Buffer.from(geminiVendor.generate.buildRequest(generation, older, false).body).toString()).toContain('"n":12345678901234567890');
  });

  it.each([
    ["a result that answers no call", [user(result("x", []))], "messages[0].parts[0].tool_result.tool_call_id"],
    ["arguments that are no object", [model(call("a", "add", "[1]"))], "messages[0].parts[0].tool_call.arguments"],
  ])("refuses %s", (_what, messages, field) => {
    expect(() => build({ messages })).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field })] }));
  });
});

describe("media for Gemini", () => {
  const data = { source: { case: "data", value: new Uint8Array([1, 2]) } } as const;
  const url = (value: string) => ({ source: { case: "url", value } }) as const;
  it.each<[string, PartInit, unknown[], string[]]>([
    ["a picture inline", { kind: { case: "image", value: { media: { ...data, mediaType: "image/png" } } } }, [{ inlineData: { mimeType: "image/png", data: "AQI=" } }], []],
    ["a picture by its address", { kind: { case: "image", value: { media: url("https://a.example/b.JPG?c=d") } } }, [{ fileData: { mimeType: "image/jpeg", fileUri: "https://a.example/b.JPG?c=d" } }], []],
    ["an address that says no type", { kind: { case: "image", value: { media: url("https://a.example/b") } } }, [{ fileData: { fileUri: "https://a.example/b" } }], []],
    ["a closer look", { kind: { case: "image", value: { media: url("https://a.example/b"), detail: ImageDetail.HIGH } } }, [{ fileData: { fileUri: "https://a.example/b" }, mediaResolution: { level: "MEDIA_RESOLUTION_HIGH" } }], []],
    ["sound", { kind: { case: "audio", value: { media: { ...data, mediaType: "audio/wav" } } } }, [{ inlineData: { mimeType: "audio/wav", data: "AQI=" } }], []],
    ["sound that is gone", { kind: { case: "audio", value: { id: "a", transcript: "hi" } } }, [{ text: "hi" }], ["messages[].parts[].audio"]],
    ["a file of Google's", { kind: { case: "file", value: { media: { source: { case: "fileId", value: "files/abc" }, mediaType: "application/pdf" } } } }, [{ fileData: { mimeType: "application/pdf", fileUri: "https://generativelanguage.googleapis.com/v1beta/files/abc" } }], []],
    ["a document and what to know about it", { kind: { case: "file", value: { media: { ...data, mediaType: "application/pdf" }, context: "a draft", filename: "a.pdf" } } }, [{ text: "a draft" }, { inlineData: { mimeType: "application/pdf", data: "AQI=" } }], ["messages[].parts[].file.filename"]],
    ["a part in Gemini's own form", { kind: { case: "native", value: { dialect: "gemini", json: Buffer.from('{"executableCode":{"code":"1"}}') } } }, [{ executableCode: { code: "1" } }], []],
  ])("%s", (_what, part, parts, warnings) => {
    expect(written(part)).toEqual({ parts, warnings });
  });

  it("stands in a tool's result where the model takes it there, else behind it", () => {
    const part = result("c", [text("seen"), { kind: { case: "image", value: { media: { ...data, mediaType: "image/png" } } } }]);
    const inline = { inlineData: { mimeType: "image/png", data: "AQI=" } };
    const functionResponse = { id: "c", name: "look", response: { output: "seen" } };
    expect(written(part)).toEqual({ parts: [{ functionResponse: { ...functionResponse, parts: [inline] } }], warnings: [] });
    expect(written(part, older)).toEqual({ parts: [{ functionResponse }, inline], warnings: ["messages[].parts[].tool_result.parts"] });
  });

  it.each<[string, PartInit]>([
    ["bytes of no type", { kind: { case: "image", value: { media: data } } }],
    ["a part of another vendor's", { kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from("{}") } } }],
    ["a part that says nothing", {}],
    ["reasoning in a tool's result", result("c", [reasoning({ text: "hm" })])],
  ])("is refused where it cannot be left out: %s", (_what, part) => {
    expect(() => written(part)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });
});

describe("thought signatures", () => {
  const { response } = geminiVendor.generate.readReply(Buffer.from(JSON.stringify(reply)));
  const parts = response.candidates[0]!.message!.parts;
  const results = user(result("fc_1", []), result("fc_2", []));
  const turnOf = (message: MessageInit) => (build({ messages: [hello, message, results] }).body.contents as { parts: unknown[] }[])[1]!.parts;

  it("go back in the parts that they came in", () => {
    expect(turnOf({ role: Role.ASSISTANT, parts })).toEqual(reply.candidates[0]!.content.parts);
  });

  it("find their parts also when a dialect has gathered the reasoning before them", () => {
    const isReasoning = ({ kind }: { kind: { case?: string | undefined } }) => kind.case === "reasoning";
    const moved = [...parts.filter(isReasoning), ...parts.filter((part) => !isReasoning(part))];
    expect(turnOf({ role: Role.ASSISTANT, parts: moved })).toEqual(reply.candidates[0]!.content.parts);
  });

  it("find their parts in any reply, wherever a dialect puts them", () => {
    const signature = fastCheck.option(fastCheck.base64String({ minLength: 4 }), { nil: undefined });
    const words = fastCheck.string({ minLength: 1 });
    const kinds = [
      words.map((said) => ({ text: said })),
      words.map((said) => ({ text: said, thought: true })),
      fastCheck.uuid().map((id) => ({ functionCall: { id, name: "f", args: {} } })),
      fastCheck.uint8Array({ minLength: 1 }).map((bytes) => ({ inlineData: { mimeType: "image/png", data: Buffer.from(bytes).toString("base64") } })),
    ];
    const anyPart = fastCheck.tuple(fastCheck.oneof(...kinds), signature).map(([part, sealed]) => ({ ...part, ...(sealed === undefined ? {} : { thoughtSignature: sealed }) }));
    // Neighbours of one kind are one part in types.
    const kindOf = (part: object | undefined) => part && `${"text" in part}${"thought" in part}`;
    const anyParts = fastCheck.array(anyPart, { minLength: 1 }).map((list) => list.filter((part, index) => !("text" in part) || kindOf(part) !== kindOf(list[index - 1])));
    const back = (message: MessageInit) => (build({ messages: [message] }, older).body.contents as { parts: unknown[] }[])[0]!.parts;
    const isReasoning = ({ kind }: { kind: { case?: string | undefined } }) => kind.case === "reasoning";
    fastCheck.assert(
      fastCheck.property(anyParts, (original) => {
        const candidate = geminiVendor.generate.readReply(Buffer.from(JSON.stringify({ candidates: [{ content: { parts: original }, finishReason: "STOP" }] }))).response.candidates[0]!;
        const read = candidate.message!.parts;
        expect(back({ role: Role.ASSISTANT, parts: read })).toEqual(original);
        const moved = [...read.filter(isReasoning), ...read.filter((part) => !isReasoning(part))];
        const thoughtsFirst = [...original.filter((part) => "thought" in part), ...original.filter((part) => !("thought" in part))];
        expect(back({ role: Role.ASSISTANT, parts: moved })).toEqual(thoughtsFirst);
      }),
      { numRuns: 200 },
    );
  });

  it("stay where the text they sign has none", () => {
    const signature = sealSignature({ kind: "text", ordinal: 0, signature: "c2ln" });
    expect(turnOf(model(reasoning({ signature }), call("fc_1", "a"), call("fc_2", "b")))).toContainEqual({ text: "", thoughtSignature: "c2ln" });
  });

  it("are stood in for where a call has none, for models that want one", () => {
    const messages = [hello, model(call("a", "add"), call("b", "add"))];
    const calls = ["a", "b"].map((id) => ({ functionCall: { id, name: "add", args: {} } }));
    expect(build({ messages }).body.contents).toContainEqual({ role: "model", parts: [{ ...calls[0], thoughtSignature: skippedSignature }, calls[1]] });
    expect(build({ messages }, older).body.contents).toContainEqual({ role: "model", parts: calls });
  });

  it("of other vendors are left out, and the thoughts go as thoughts", () => {
    const { body, warnings } = build({ messages: [hello, model(reasoning({ text: "hm", signature: "ErUB" }), reasoning({ redactedData: "x" }), text("so"))] });
    expect(body.contents).toContainEqual({ role: "model", parts: [{ thought: true, text: "hm" }, { text: "so" }] });
    expect(warnings).toEqual(["messages[].parts[].reasoning.signature", "messages[].parts[].reasoning.redacted_data"]);
  });
});

describe("tools for Gemini", () => {
  const add = { kind: { case: "function", value: { name: "add", description: "Adds.", parametersJsonSchema: '{"type":"object","properties":{}}' } } } as const;
  const strict = { kind: { case: "function", value: { name: "add", strict: true } } } as const;
  const search = { kind: { case: "native", value: { dialect: "gemini", json: Buffer.from('{"googleSearch":{}}') } } } as const;

  it("are declared together, with Google's own beside them", () => {
    const { body, warnings } = build({ tools: [add, search, { kind: { case: "custom", value: { name: "free" } } }, { kind: { case: "native", value: { dialect: "openai", json: Buffer.from("{}") } } }] });
    expect(body["tools"]).toEqual([
      { functionDeclarations: [{ name: "add", description: "Adds.", parametersJsonSchema: { type: "object", properties: {} } }] },
      { googleSearch: {} },
    ]);
    expect(warnings).toEqual(["tools[2]", "tools[3]"]);
  });

  it.each([
    [{ mode: ToolChoice_Mode.AUTO }, add, { mode: "AUTO" }],
    [{ mode: ToolChoice_Mode.AUTO }, strict, { mode: "VALIDATED" }],
    [undefined, strict, { mode: "VALIDATED" }],
    [undefined, add, undefined],
    [{ mode: ToolChoice_Mode.NONE }, add, { mode: "NONE" }],
    [{ mode: ToolChoice_Mode.REQUIRED }, strict, { mode: "ANY" }],
    [{ mode: ToolChoice_Mode.NAMED, name: "add" }, add, { mode: "ANY", allowedFunctionNames: ["add"] }],
  ])("are chosen by %j", (toolChoice, tool, functionCallingConfig) => {
    const { body } = build({ tools: [tool], ...(toolChoice === undefined ? {} : { toolChoice }) });
    expect(body["toolConfig"]).toEqual(functionCallingConfig === undefined ? undefined : { functionCallingConfig });
  });

  it("may be asked for at once whatever was said", () => {
    expect(build({ tools: [add], parallelToolCalls: false }).warnings).toEqual(["parallel_tool_calls"]);
    expect(build({ tools: [add], parallelToolCalls: true }).warnings).toEqual([]);
  });
});

describe("options for Gemini", () => {
  it("all have their places", () => {
    const { body, warnings } = build(
      {
        sampling: { temperature: 1.5, topP: 0.5, topK: 3n, seed: -7n, presencePenalty: 0.5, frequencyPenalty: -0.5 },
        candidateCount: 2,
        maxOutputTokens: 100n,
        stopSequences: ["X"],
        logprobs: true,
        topLogprobs: 4,
        outputFormat: { kind: { case: "jsonSchema", value: { name: "n", description: "d", jsonSchema: '{"type":"object"}', strict: true } } },
        modalities: [Modality.TEXT, Modality.AUDIO],
        audio: { voice: "Kore", format: "pcm16" },
        serviceTier: "default",
        store: false,
      },
      "gemini-2.0-flash",
    );
    expect(body).toEqual({
      contents: [{ role: "user", parts: [{ text: "hello" }] }],
      generationConfig: {
        temperature: 1.5,
        topP: 0.5,
        topK: 3,
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        seed: -7,
        candidateCount: 2,
        maxOutputTokens: 100,
        stopSequences: ["X"],
        responseLogprobs: true,
        logprobs: 4,
        responseMimeType: "application/json",
        responseJsonSchema: { type: "object", description: "d" },
        responseModalities: ["TEXT", "AUDIO"],
        speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Kore" } } },
      },
      serviceTier: "standard",
      store: false,
    });
    expect(warnings).toEqual([]);
  });

  it.each<[string, GenerationInit, string[], string?]>([
    ["sampling of models that have none", { sampling: { temperature: 0, topP: 1, topK: 1n } }, ["sampling.temperature", "sampling.top_p", "sampling.top_k"], "gemini-3.8-flash"],
    ["penalties", { sampling: { presencePenalty: 1, frequencyPenalty: 1 } }, ["sampling.presence_penalty", "sampling.frequency_penalty"]],
    ["a long seed", { sampling: { seed: 1n << 31n } }, ["sampling.seed"]],
    ["several replies of Gemini 4", { candidateCount: 2 }, ["candidate_count"], "gemini-4-argon"],
    ["what Gemini has nothing for", { sampling: { logitBias: { "1": 1 } }, endUser: "u", metadata: { a: "b" }, verbosity: "low", promptCacheKey: "k" }, ["sampling.logit_bias", "end_user", "metadata", "verbosity", "prompt_cache_key"]],
    ["an unheard-of tier", { serviceTier: "turbo" }, ["service_tier"]],
    ["encodings of sound", { modalities: [Modality.AUDIO], audio: { voice: "", format: "mp3" } }, ["audio.format"]],
    ["cache markers", { messages: [user({ kind: { case: "text", value: { text: "x" } }, cacheMarker: {} })] }, ["messages[].parts[].cache_marker"]],
  ])("that cannot be honoured are named, or refused when strict: %s", (_what, init, fields, modelName) => {
    const { body, warnings } = build(init, modelName);
    expect(warnings).toEqual(fields);
    for (const name of ["temperature", "topP", "topK", "presencePenalty", "frequencyPenalty", "seed", "candidateCount"]) expect(body.generationConfig ?? {}).not.toHaveProperty(name);
    expect(() => build({ ...init, strict: true }, modelName)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field: fields[0] } }));
  });
});

describe("thinking", () => {
  const { NONE, MINIMAL, LOW, MEDIUM, HIGH, EXTRA_HIGH, MAXIMUM } = ReasoningOptions_Effort;
  it.each<[string, NonNullable<GenerationInit["reasoning"]>, object | undefined, string[]]>([
    ["gemini-2.5-flash", { effort: MEDIUM, includeText: true }, { thinkingBudget: 8192, includeThoughts: true }, []],
    ["gemini-2.5-flash", { effort: NONE }, { thinkingBudget: 0 }, []],
    ["gemini-2.5-flash", { effort: MAXIMUM }, { thinkingBudget: 24_576 }, []],
    ["gemini-2.5-flash", { adaptive: true }, { thinkingBudget: -1 }, []],
    ["gemini-2.5-flash", { budgetTokens: 99_999n }, { thinkingBudget: 24_576 }, ["reasoning.budget_tokens"]],
    ["gemini-2.5-flash-lite", { budgetTokens: 100n }, { thinkingBudget: 512 }, ["reasoning.budget_tokens"]],
    ["gemini-2.5-pro", { budgetTokens: 0n }, { thinkingBudget: 128 }, ["reasoning.effort"]],
    ["gemini-2.5-pro", { effort: MAXIMUM }, { thinkingBudget: 32_768 }, []],
    ["gemini-3-pro-preview", { effort: MEDIUM }, { thinkingLevel: "high" }, ["reasoning.effort"]],
    ["gemini-3.5-flash-lite", { effort: MINIMAL }, { thinkingLevel: "minimal" }, []],
    ["gemini-3.5-flash-lite", { effort: NONE }, { thinkingLevel: "minimal" }, ["reasoning.effort"]],
    ["gemini-3.8-flash", { effort: MINIMAL }, { thinkingLevel: "low" }, ["reasoning.effort"]],
    ["gemini-3.8-flash", { effort: LOW, includeText: false }, { thinkingLevel: "low", includeThoughts: false }, []],
    ["gemini-3.8-flash", { budgetTokens: 5000n }, { thinkingLevel: "medium" }, ["reasoning.budget_tokens"]],
    ["gemini-3.8-flash", { adaptive: true, includeText: true }, { includeThoughts: true }, []],
    ["gemini-4-argon", { effort: HIGH }, { thinkingLevel: "high" }, []],
    ["gemini-4-argon", { effort: EXTRA_HIGH }, { thinkingLevel: "high" }, ["reasoning.effort"]],
    ["gemini-4-argon", { effort: MAXIMUM }, { thinkingLevel: "high" }, []],
    ["gemini-4-neon", { effort: EXTRA_HIGH }, { thinkingLevel: "xhigh" }, []],
    ["gemini-flash-latest", { effort: MINIMAL }, { thinkingLevel: "minimal" }, []],
    ["gemini-2.0-flash", { effort: HIGH, includeText: true }, undefined, ["reasoning"]],
    ["gemini-2.0-flash", { effort: NONE }, undefined, []],
  ])("of %s asked for what the table says (%#)", (modelName, asked, thinkingConfig, fields) => {
    const { body, warnings } = build({ reasoning: asked }, modelName);
    expect(body.generationConfig?.["thinkingConfig"]).toEqual(thinkingConfig);
    expect(warnings).toEqual(fields);
  });
});
