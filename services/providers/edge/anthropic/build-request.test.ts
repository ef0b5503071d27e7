import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { MessageCreateParams } from "@anthropic-ai/sdk/resources/messages";
import { describe, expect, it } from "vitest";
import { CacheMarker_Lifetime, ImageDetail, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { anthropicVendor } from "./anthropic-vendor.ts";

type GenerationInit = MessageInitShape<typeof GenerationSchema>;

const hello = { role: Role.USER, parts: [{ kind: { case: "text", value: { text: "hello" } } }] } satisfies NonNullable<GenerationInit["messages"]>[number];

function build(init: GenerationInit, model = "claude-sonnet-4-5") {
  const generation = create(GenerationSchema, { messages: [hello], maxOutputTokens: 100n, ...init });
  const request = anthropicVendor.generate.buildRequest(generation, model, false);
  const body = JSON.parse(Buffer.from(request.body).toString()) as MessageCreateParams & { temperature?: number; top_p?: number; top_k?: number };
  return { body, warnings: request.warnings.map(({ field }) => field) };
}

describe("the request for Anthropic", () => {
  it("holds what the simplest call needs, and nothing else", () => {
    expect(build({}).body).toEqual({
      model: "claude-sonnet-4-5",
      max_tokens: 100,
      messages: [{ role: "user", content: [{ type: "text", text: "hello" }] }],
    } satisfies MessageCreateParams);
  });

  it("is the same for the same input", () => {
    const generation = create(GenerationSchema, { messages: [hello] });
    const bodies = [1, 2].map(() => Buffer.from(anthropicVendor.generate.buildRequest(generation, "claude-opus-4-6", true).body));
    expect(bodies[0]).toEqual(bodies[1]);
  });

  it("moves instructions to system and says when they stood amid the conversation", () => {
    const { body, warnings } = build({
      messages: [
        { role: Role.SYSTEM, parts: [{ kind: { case: "text", value: { text: "be brief" } }, cacheMarker: { lifetime: CacheMarker_Lifetime.ONE_HOUR } }] },
        hello,
        { role: Role.DEVELOPER, parts: [{ kind: { case: "text", value: { text: "in French" } } }] },
      ],
    });
    expect(body.system).toEqual([
      { type: "text", text: "be brief", cache_control: { type: "ephemeral", ttl: "1h" } },
      { type: "text", text: "in French" },
    ] satisfies MessageCreateParams["system"]);
    expect(warnings).toEqual(["messages[].role"]);
  });

  describe("where a caller names a key for prompt caching", () => {
    const messages: GenerationInit["messages"] = [{ role: Role.SYSTEM, parts: [{ kind: { case: "text", value: { text: "be brief" } } }] }, hello, { role: Role.ASSISTANT, parts: [{ kind: { case: "text", value: { text: "hi" } } }] }, hello];
    const marker = { type: "ephemeral" };

    it("marks the end of the instructions and of the conversation", () => {
      const { body, warnings } = build({ messages, promptCacheKey: "session" });
      expect(body.system).toEqual([{ type: "text", text: "be brief", cache_control: marker }]);
      expect(body.messages.map(({ content }) => (content as object[]).map((block) => "cache_control" in block))).toEqual([[false], [false], [true]]);
      expect(warnings).toEqual([]);
    });

    it("leaves it to the caller's own markers where there are any", () => {
      const marked: GenerationInit["messages"] = [...messages.slice(0, 1), { role: Role.USER, parts: [{ kind: { case: "text", value: { text: "hello" } }, cacheMarker: {} }] }, ...messages.slice(2)];
      expect(JSON.stringify(build({ messages: marked, promptCacheKey: "session" }).body).split("cache_control")).toHaveLength(2);
    });

    it("marks no thinking", () => {
      const thinking: GenerationInit["messages"] = [hello, { role: Role.ASSISTANT, parts: [{ kind: { case: "reasoning", value: { text: "hm", signature: "c2ln" } } }] }];
      expect(JSON.stringify(build({ messages: thinking, promptCacheKey: "session" }).body)).not.toContain("cache_control");
    });
  });

  describe("instructions amid the conversation, of a model that takes them there", () => {
    const say = (role: Role, text: string) => ({ role, parts: [{ kind: { case: "text", value: { text } } } as const] });
    const [question, answer, rule, other] = [say(Role.USER, "hello"), say(Role.ASSISTANT, "well"), say(Role.DEVELOPER, "in French"), say(Role.SYSTEM, "be brief")];
    const written = (messages: GenerationInit["messages"]) => {
      const { body, warnings } = build({ messages: messages! }, "claude-opus-4-8");
      const turns = body.messages.map(({ role, content }) => [role, ...(content as { text: string }[]).map(({ text }) => text)].join(" "));
      return { system: body.system, turns, warnings };
    };

    it("stand between the user's turn and the model's, as one turn", () => {
      expect(written([other, question, rule, other, answer, question, rule])).toEqual({
        system: [{ type: "text", text: "be brief" }],
        turns: ["user hello", "system in French be brief", "assistant well", "user hello", "system in French"],
        warnings: [],
      });
    });

    it("come behind the user's turn where they stood in front of it, and keep that place as the conversation grows", () => {
      const first = written([question, answer, rule, question]);
      expect(first).toEqual({ system: undefined, turns: ["user hello", "assistant well", "user hello", "system in French"], warnings: ["messages[].role"] });
      expect(written([question, answer, rule, question, answer, question]).turns.slice(0, 4)).toEqual(first.turns);
    });

    it("go to the start where no user's turn follows the model's", () => {
      expect(written([question, answer, rule])).toEqual({ system: [{ type: "text", text: "in French" }], turns: ["user hello", "assistant well"], warnings: ["messages[].role"] });
    });
  });

  it("puts tool results and what the user adds into one turn, and leaves out empty text", () => {
    const { body } = build({
      messages: [
        hello,
        { role: Role.ASSISTANT, parts: [{ kind: { case: "text", value: { text: "" } } }, { kind: { case: "toolCall", value: { id: "t1", name: "add", arguments: '{"a":1}' } } }] },
        { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "t1", parts: [{ kind: { case: "text", value: { text: "2" } } }], isError: true } } }] },
        { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "t2" } } }] },
        hello,
      ],
    });
    expect(body.messages).toEqual([
      { role: "user", content: [{ type: "text", text: "hello" }] },
      { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "add", input: { a: 1 } }] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "2" }], is_error: true },
          { type: "tool_result", tool_use_id: "t2", content: [] },
          { type: "text", text: "hello" },
        ],
      },
    ] satisfies MessageCreateParams["messages"]);
  });

  it("leaves out text of white space alone, which Anthropic refuses, and says so", () => {
    const blank = { kind: { case: "text", value: { text: " \n" } } } as const;
    const { body, warnings } = build({ messages: [hello, { role: Role.ASSISTANT, parts: [blank, { kind: { case: "toolCall", value: { id: "t1", name: "add" } } }] }] });
    expect(body.messages[1]!.content).toEqual([{ type: "tool_use", id: "t1", name: "add", input: {} }]);
    expect(warnings).toEqual(["messages[].parts[].text"]);
  });

  it("keeps the digits of long whole numbers in tool arguments", () => {
    const call = { case: "toolCall", value: { id: "t", name: "f", arguments: '{"id":12345678901234567890}' } } as const;
    const generation = create(GenerationSchema, { messages: [{ role: Role.ASSISTANT, parts: [{ kind: call }] }] });
    const { body } = anthropicVendor.generate.buildRequest(generation, "claude-opus-4-6", false);
    expect(Buffer.from(body).toString()).toContain('"input":{"id":12345678901234567890}');
  });

  it("gives a call whose id Anthropic would refuse another one, and its result the same", () => {
    const ask = (id: string) =>
      build({
        messages: [
          { role: Role.ASSISTANT, parts: [{ kind: { case: "toolCall", value: { id, name: "read" } } }] },
          { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: id } } }] },
        ],
      }).body.messages.map(({ content }) => content[0] as { id?: string; tool_use_id?: string });
    const [call, result] = ask("functions.read:0");
    expect(call!.id).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(result!.tool_use_id).toBe(call!.id);
    expect(ask("functions.read:1")[0]!.id).not.toBe(call!.id);
    expect(ask("toolu_01-a")[0]!.id).toBe("toolu_01-a");
  });

  it("refuses tool arguments that are no object, and names the place", () => {
    const call = { case: "toolCall", value: { id: "t", name: "f", arguments: '{"cut' } } as const;
    expect(() => build({ messages: [hello, { role: Role.ASSISTANT, parts: [{ kind: call }] }] })).toThrow("messages[1].parts[0].tool_call.arguments must be a JSON object");
  });

  it("sends only reasoning that Anthropic signed", () => {
    const { body, warnings } = build({
      messages: [
        {
          role: Role.ASSISTANT,
          parts: [
            { kind: { case: "reasoning", value: { text: "unsigned" } } },
            { kind: { case: "reasoning", value: { text: "hm", signature: "sig" } } },
            { kind: { case: "reasoning", value: { redactedData: "opaque" } } },
            { kind: { case: "reasoning", value: { signature: "gemini:call:0:c2ln" } } },
          ],
        },
      ],
    });
    expect(body.messages[0]!.content).toEqual([
      { type: "thinking", thinking: "hm", signature: "sig" },
      { type: "redacted_thinking", data: "opaque" },
    ]);
    expect(warnings).toEqual(["messages[].parts[].reasoning"]);
  });

  it("takes pictures and documents in every form it knows", () => {
    const data = { case: "data", value: Buffer.from("abc") } as const;
    const { body, warnings } = build({
      messages: [
        {
          role: Role.USER,
          parts: [
            { kind: { case: "image", value: { media: { source: data, mediaType: "image/png" }, detail: ImageDetail.HIGH } } },
            { kind: { case: "image", value: { media: { source: { case: "url", value: "https://a.example/b.png" } } } } },
            { kind: { case: "file", value: { media: { source: data, mediaType: "application/pdf" }, filename: "a.pdf", citationsEnabled: true } } },
            { kind: { case: "file", value: { media: { source: data, mediaType: "text/csv" }, title: "t", context: "c" } } },
            { kind: { case: "file", value: { media: { source: { case: "fileId", value: "file_1" } } } } },
          ],
        },
      ],
    });
    expect(body.messages[0]!.content).toEqual([
      { type: "image", source: { type: "base64", media_type: "image/png", data: "YWJj" } },
      { type: "image", source: { type: "url", url: "https://a.example/b.png" } },
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "YWJj" }, title: "a.pdf", citations: { enabled: true } },
      { type: "document", source: { type: "text", media_type: "text/plain", data: "abc" }, title: "t", context: "c" },
      { type: "document", source: { type: "file", file_id: "file_1" } },
    ] satisfies MessageCreateParams["messages"][number]["content"]);
    expect(warnings).toEqual(["messages[].parts[].image.detail"]);
  });

  it("calls a picture what it is, and a document what its bytes say where nobody says it", () => {
    const jpeg = { source: { case: "data", value: Buffer.from("ffd8ffe0", "hex") }, mediaType: "image/jpg" } as const;
    const pdf = { source: { case: "data", value: Buffer.from("%PDF-1.7") } } as const;
    const parts = [{ kind: { case: "image", value: { media: jpeg } } }, { kind: { case: "file", value: { media: pdf } } }] as const;
    const content = build({ messages: [{ role: Role.USER, parts: [...parts] }] }).body.messages[0]!.content;
    expect(content).toMatchObject([{ source: { media_type: "image/jpeg" } }, { source: { media_type: "application/pdf" } }]);
  });

  it.each([
    ["sound", { kind: { case: "audio", value: { media: { source: { case: "data", value: Buffer.from("x") }, mediaType: "audio/wav" } } } }],
    ["a spreadsheet", { kind: { case: "file", value: { media: { source: { case: "data", value: Buffer.from("x") }, mediaType: "application/vnd.ms-excel" } } } }],
    ["another vendor's piece", { kind: { case: "native", value: { dialect: "openai", json: Buffer.from("{}") } } }],
  ] as const)("refuses %s rather than leave it out of the question", (_what, part) => {
    expect(() => build({ messages: [{ role: Role.USER, parts: [part] }] })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });

  it("writes tools, the choice among them, and whether several may be asked for at once", () => {
    const { body, warnings } = build({
      tools: [
        { kind: { case: "function", value: { name: "add", description: "adds", parametersJsonSchema: '{"properties":{}}', strict: true } }, cacheMarker: {} },
        { kind: { case: "native", value: { dialect: "anthropic", json: Buffer.from('{"type":"web_search_20250305","name":"web_search"}') } } },
        { kind: { case: "custom", value: { name: "free" } } },
      ],
      toolChoice: { mode: ToolChoice_Mode.NAMED, name: "add" },
      parallelToolCalls: false,
    });
    expect(body.tools).toEqual([
      { name: "add", description: "adds", input_schema: { type: "object", properties: {}, additionalProperties: false }, strict: true, cache_control: { type: "ephemeral" } },
      { type: "web_search_20250305", name: "web_search" },
    ] satisfies MessageCreateParams["tools"]);
    expect(body.tool_choice).toEqual({ type: "tool", name: "add", disable_parallel_tool_use: true });
    expect(warnings).toEqual(["tools[2]"]);
  });

  it("writes a schema for the reply natively", () => {
    const { body } = build({ outputFormat: { kind: { case: "jsonSchema", value: { name: "n", description: "d", jsonSchema: '{"type":"object"}' } } } });
    expect(body.output_config).toEqual({ format: { type: "json_schema", schema: { description: "d", type: "object", additionalProperties: false } } });
  });

  it("sets the model's own output maximum when the caller sets none, and warns when it is not known", () => {
    const generation = create(GenerationSchema, { messages: [hello] });
    const known = anthropicVendor.generate.buildRequest(generation, "claude-sonnet-4-5", false);
    const unknown = anthropicVendor.generate.buildRequest(generation, "someone-elses", false);
    expect(JSON.parse(Buffer.from(known.body).toString())).toMatchObject({ max_tokens: 64_000 });
    expect(known.warnings).toEqual([]);
    expect(JSON.parse(Buffer.from(unknown.body).toString())).toMatchObject({ max_tokens: 8192 });
    expect(unknown.warnings.map(({ field }) => field)).toEqual(["max_output_tokens"]);
  });

  it("warns of every option it cannot honour, and refuses them all when asked to be strict", () => {
    const init: GenerationInit = {
      sampling: { seed: 1n, presencePenalty: 1, frequencyPenalty: 1, logitBias: { "1": 2 }, temperature: 1.5 },
      logprobs: true,
      topLogprobs: 2,
      candidateCount: 2,
      modalities: [2],
      audio: { voice: "a" },
      metadata: { a: "b" },
      store: true,
      verbosity: "low",
      serviceTier: "flex",
      outputFormat: { kind: { case: "jsonObject", value: {} } },
    };
    const { body, warnings } = build(init);
    expect(body.temperature).toBe(1);
    expect(warnings.toSorted()).toEqual(
      [
        "audio", "candidate_count", "logprobs", "metadata", "modalities", "output_format.json_object", "sampling.frequency_penalty",
        "sampling.logit_bias", "sampling.presence_penalty", "sampling.seed", "sampling.temperature", "service_tier", "store", "top_logprobs", "verbosity",
      ],
    );
    expect(() => build({ ...init, strict: true })).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });

  it.each([
    ["claude-opus-4-8", { temperature: 0.5, topP: 0.9, topK: 3n }, {}],
    ["claude-sonnet-4-5", { temperature: 0.5, topP: 0.9, topK: 3n }, { temperature: 0.5, top_k: 3 }],
    ["claude-sonnet-4-20250514", { temperature: 0.5, topP: 0.9, topK: 3n }, { temperature: 0.5, top_p: 0.9, top_k: 3 }],
  ])("sends %s only the sampling it takes", (model, sampling, expected) => {
    const { temperature, top_p, top_k } = build({ sampling }, model).body;
    expect(JSON.parse(JSON.stringify({ temperature, top_p, top_k }))).toEqual(expected);
  });
});

describe("reasoning", () => {
  const { NONE, MINIMAL, LOW, HIGH, EXTRA_HIGH, MAXIMUM } = ReasoningOptions_Effort;
  it.each([
    ["claude-sonnet-4-5", { effort: HIGH }, { thinking: { type: "enabled", budget_tokens: 4096 } }],
    ["claude-opus-4-5", { effort: MAXIMUM }, { thinking: { type: "enabled", budget_tokens: 9999 }, output_config: { effort: "high" } }],
    ["claude-opus-4-6", { effort: LOW }, { thinking: { type: "adaptive" }, output_config: { effort: "low" } }],
    ["claude-opus-4-6", { budgetTokens: 2000n, includeText: true }, { thinking: { type: "enabled", budget_tokens: 2000, display: "summarized" } }],
    ["claude-opus-4-6", { effort: EXTRA_HIGH }, { thinking: { type: "adaptive" }, output_config: { effort: "high" } }],
    ["claude-opus-4-8", { budgetTokens: 2000n }, { thinking: { type: "adaptive" } }],
    ["claude-opus-5", { effort: EXTRA_HIGH, adaptive: true, includeText: false }, { thinking: { type: "adaptive", display: "omitted" }, output_config: { effort: "xhigh" } }],
    ["claude-opus-5", { effort: NONE }, { thinking: { type: "disabled" } }],
    ["claude-opus-5", { effort: LOW, budgetTokens: 0n }, { thinking: { type: "disabled" }, output_config: { effort: "low" } }],
    ["claude-opus-5-5", { effort: NONE }, {}],
    ["claude-haiku-4-5", { effort: NONE }, {}],
    ["claude-haiku-4-5", { effort: MINIMAL }, { thinking: { type: "enabled", budget_tokens: 1024 } }],
    ["claude-3-5-haiku-20241022", { effort: HIGH }, {}],
  ])("%s with %o", (model, reasoning, expected) => {
    const { thinking, output_config } = build({ reasoning, maxOutputTokens: 10_000n }, model).body;
    expect(JSON.parse(JSON.stringify({ thinking, output_config }))).toEqual(expected);
  });

  it("stays below the output maximum, or is left out when there is no room", () => {
    expect(build({ reasoning: { budgetTokens: 5000n }, maxOutputTokens: 2000n }).body.thinking).toEqual({ type: "enabled", budget_tokens: 1999 });
    const { body, warnings } = build({ reasoning: { budgetTokens: 5000n }, maxOutputTokens: 1024n });
    expect([body.thinking, warnings]).toEqual([undefined, ["reasoning"]]);
  });

  it.each([ToolChoice_Mode.REQUIRED, ToolChoice_Mode.NAMED])("gives way to a tool call that is forced (%s)", (mode) => {
    const { body, warnings } = build({ reasoning: { effort: LOW }, toolChoice: { mode, name: "add" }, maxOutputTokens: 5000n });
    expect([body.thinking, body.tool_choice?.type, warnings]).toEqual([undefined, mode === ToolChoice_Mode.NAMED ? "tool" : "any", ["reasoning"]]);
  });

  describe("amid a turn that calls tools", () => {
    const signed = { kind: { case: "reasoning", value: { text: "hm", signature: "c2ln" } } } as const;
    const call = { kind: { case: "toolCall", value: { id: "t1", name: "add" } } } as const;
    const result = { role: Role.TOOL, parts: [{ kind: { case: "toolResult", value: { toolCallId: "t1" } } } as const] };
    const think = (messages: GenerationInit["messages"], reasoning: GenerationInit["reasoning"], model: string) => {
      const { body, warnings } = build({ messages: messages!, reasoning: reasoning!, maxOutputTokens: 9000n }, model);
      return [body.thinking, warnings];
    };
    const budget = { type: "enabled", budget_tokens: 2000 };

    it("goes on where the turn begins with it", () => {
      const loop = [hello, { role: Role.ASSISTANT, parts: [signed, call] }, result, { role: Role.ASSISTANT, parts: [call] }, result];
      expect(think(loop, { budgetTokens: 2000n }, "claude-haiku-4-5")).toEqual([budget, []]);
    });

    it.each([
      ["a model with a budget does without", "claude-haiku-4-5", undefined, ["reasoning"]],
      ["a model that can decide does so", "claude-opus-4-6", { type: "adaptive" }, ["reasoning.budget_tokens"]],
    ] as const)("where the turn begins without it, %s", (_name, model, thinking, warnings) => {
      const loop = [hello, { role: Role.ASSISTANT, parts: [signed, call] }, result, { role: Role.ASSISTANT, parts: hello.parts }, hello, { role: Role.ASSISTANT, parts: [call] }, result];
      expect(think(loop, { budgetTokens: 2000n }, model)).toEqual([thinking, warnings]);
    });

    it("begins with the next question", () => {
      const answered = [hello, { role: Role.ASSISTANT, parts: [call] }, result, { role: Role.ASSISTANT, parts: hello.parts }, hello];
      expect(think(answered, { budgetTokens: 2000n }, "claude-haiku-4-5")).toEqual([budget, []]);
    });
  });

  it("drops sampling that cannot stand beside it", () => {
    const { body, warnings } = build({ reasoning: { effort: LOW }, sampling: { temperature: 0.5, topK: 2n }, maxOutputTokens: 5000n });
    expect([body.temperature, body.top_k, warnings]).toEqual([undefined, undefined, ["sampling.temperature", "sampling.top_k"]]);
  });
});

describe("a request in the caller's own bytes", () => {
  it("differs in the model alone", () => {
    const body = Buffer.from('{ "model" : "route-a", "unheard_of":[1, 2],"stream":true }');
    const request = anthropicVendor.generate.buildNativeRequest(body, "claude-opus-5", true);
    expect(Buffer.from(request.body).toString()).toBe('{ "model" : "claude-opus-5", "unheard_of":[1, 2],"stream":true }');
    expect(request).toMatchObject({ path: "/messages", withholdUsage: false, warnings: [] });
  });

  it("holds no thinking that another vendor signed, which would be refused, and is else as it was", () => {
    const foreign = { type: "thinking", thinking: "hm", signature: "openai:rs_1:gAAA" };
    const own = { type: "thinking", thinking: "hm", signature: "c2ln" };
    const call = '{"type":"tool_use","id":"t","name":"f","input":{"big":12345678901234567890}}';
    const written = (...contents: string[]): string => `{"model":"m","messages":[{"role":"user","content":"signature"},${contents.map((content) => `{"role":"assistant","content":${content}}`).join(",")}],"max_tokens":9}`;
    const sent = (body: string): string => Buffer.from(anthropicVendor.generate.buildNativeRequest(Buffer.from(body), "m", false).body).toString();
    const json = JSON.stringify;
    expect(sent(written(`[${json(foreign)},${json(own)},${call}]`, `[${json(foreign)}]`, '"said"'))).toBe(written(`[${json(own)},${call}]`, '"said"'));
    const unchanged = written(`[${json(own)}, ${call}]`);
    expect(sent(unchanged)).toBe(unchanged);
    const counted = anthropicVendor.operations.countTokens!.native!.buildRequest(Buffer.from(written(`[${json(foreign)},${json(own)}]`)), "m");
    expect(Buffer.from(counted.body).toString()).toBe(written(`[${json(own)}]`));
  });

  it("goes with the key and the version", () => {
    expect(anthropicVendor.authorize(new Secret("sk-1"))).toEqual({ "x-api-key": "sk-1", "anthropic-version": "2023-06-01" });
  });
});
