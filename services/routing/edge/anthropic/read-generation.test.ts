import type { ContentBlockParam, MessageCreateParams, ToolUnion } from "@anthropic-ai/sdk/resources/messages";
import type { BetaMessage } from "@anthropic-ai/sdk/resources/beta/messages";
import { describe, expect, it } from "vitest";
import { CacheMarker_Lifetime, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import { readGeneration } from "./read-generation.ts";

const simple = { model: "route-a", max_tokens: 10, messages: [{ role: "user", content: "hello" }] } satisfies MessageCreateParams;
const read = (changes: object) => readGeneration({ ...simple, ...changes });
const readBlocks = (...content: ContentBlockParam[]) => read({ messages: [{ role: "user", content }] satisfies MessageCreateParams["messages"] });

describe("the request", () => {
  it("is read from its simplest form", () => {
    const { generation, unknownFields } = read({});
    expect(generation).toMatchObject({ model: "route-a", maxOutputTokens: 10n, messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "hello" } } }] }] });
    expect(unknownFields).toEqual([]);
  });

  it("is told to be one that only takes away of the prompt, or one that may compact it", () => {
    const clearing = [{ type: "clear_thinking_20251015", keep: "all" }, { type: "clear_tool_uses_20250919" }];
    expect(read({ context_management: { edits: clearing } }).unknownFields).toEqual(["context_management.edits"]);
    for (const management of [{ edits: [...clearing, { type: "compact_20260112" }] }, { edits: [{}] }, { edits: [null] }, { edits: {} }, { edits: [], pause: true }, {}, [], "all"]) {
      expect(read({ context_management: management }).unknownFields, JSON.stringify(management)).toEqual(["context_management"]);
    }
    expect(read({ context_management: null }).unknownFields).toEqual([]);
  });

  it("has its options read", () => {
    const { generation, unknownFields } = read({
      stream: true,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      stop_sequences: ["END"],
      metadata: { user_id: "u1" },
      service_tier: "standard_only",
      thinking: { type: "enabled", budget_tokens: 2048, display: "omitted" },
      output_config: { effort: "xhigh", format: { type: "json_schema", schema: { type: "object" } } },
      tool_choice: { type: "any", disable_parallel_tool_use: true },
    } satisfies Partial<MessageCreateParams> & { temperature: number; top_p: number; top_k: number });
    expect(generation).toMatchObject({
      sampling: { temperature: 0.5, topP: 0.9, topK: 4n },
      stopSequences: ["END"],
      endUser: "u1",
      serviceTier: "standard_only",
      reasoning: { budgetTokens: 2048n, includeText: false, effort: ReasoningOptions_Effort.EXTRA_HIGH },
      outputFormat: { kind: { case: "jsonSchema", value: { jsonSchema: '{"type":"object"}' } } },
      toolChoice: { mode: ToolChoice_Mode.REQUIRED },
      parallelToolCalls: false,
    });
    expect(unknownFields).toEqual([]);
  });

  it.each([
    [{ type: "adaptive" }, undefined, { adaptive: true }],
    [{ type: "disabled" }, undefined, { effort: ReasoningOptions_Effort.NONE }],
    [{ type: "disabled" }, { effort: "low" }, { effort: ReasoningOptions_Effort.LOW, budgetTokens: 0n }],
    [undefined, { effort: "max" }, { effort: ReasoningOptions_Effort.MAXIMUM }],
  ] satisfies [MessageCreateParams["thinking"], MessageCreateParams["output_config"], object][])("reads thinking %o with %o", (thinking, output_config, expected) => {
    expect(read({ thinking, output_config }).generation.reasoning).toMatchObject(expected);
  });

  it("has instructions read from text, from blocks, and from amid the conversation", () => {
    expect(read({ system: "be brief" }).generation.messages[0]).toMatchObject({ role: Role.SYSTEM, parts: [{ kind: { value: { text: "be brief" } } }] });
    const { generation } = read({
      system: [{ type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "1h" } }],
      messages: [...simple.messages, { role: "system", content: "b" }],
    } satisfies Partial<MessageCreateParams>);
    expect(generation.messages.map(({ role }) => role)).toEqual([Role.SYSTEM, Role.USER, Role.SYSTEM]);
    expect(generation.messages[0]!.parts[0]!.cacheMarker?.lifetime).toBe(CacheMarker_Lifetime.ONE_HOUR);
  });

  it("has its own cache marker on its last block that can have one", () => {
    const asked = (content: object[]) => read({ cache_control: { type: "ephemeral", ttl: "1h" }, messages: [{ role: "user", content }] }).generation.messages[0]!.parts.map(({ cacheMarker }) => cacheMarker?.lifetime);
    expect(asked([{ type: "text", text: "a" }, { type: "text", text: "b" }])).toEqual([undefined, CacheMarker_Lifetime.ONE_HOUR]);
    expect(asked([{ type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "5m" } }])).toEqual([CacheMarker_Lifetime.FIVE_MINUTES]);
    expect(asked([{ type: "text", text: "a" }, { type: "unheard_of" }])).toEqual([CacheMarker_Lifetime.ONE_HOUR, undefined]);
  });

  it("names what types cannot carry, each once, null and defaults left out", () => {
    const { unknownFields } = read({
      container: "c",
      inference_geo: "eu",
      speed: null,
      mcp_servers: [],
      metadata: { user_id: null, tenant: 7 },
      thinking: { type: "between_tools" },
      tools: [{ name: "a", input_schema: { type: "object" }, defer_loading: true }, { name: "b", input_schema: { type: "object" }, defer_loading: true }],
      messages: [
        { role: "user", content: [{ type: "image", source: { type: "url", url: "https://a.example" }, transformations: { oversized_image: "error" } }] },
        { role: "assistant", content: [{ type: "tool_use", id: "t", name: "a", input: {}, caller: { type: "direct" } }] },
        { role: "assistant", content: [{ type: "tool_use", id: "t", name: "a", input: {}, caller: { type: "code_execution_20250825", tool_id: "x" } }] },
      ],
    });
    expect(unknownFields.toSorted()).toEqual([
      "container", "inference_geo", "mcp_servers", "messages[].content[].caller", "messages[].content[].transformations",
      "metadata.tenant", "thinking.type", "tools[].defer_loading",
    ]);
  });

  it("names a bounded number of them", () => {
    const { unknownFields } = read(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x${index}`, 1])));
    expect([unknownFields.length, unknownFields.at(-1)]).toEqual([65, "further unknown fields"]);
  });

  it.each([
    [{ model: undefined }, "model"],
    [{ model: 7 }, "model"],
    [{ messages: undefined }, "messages"],
    [{ messages: "hello" }, "messages"],
    [{ messages: ["hello"] }, "messages[0]"],
    [{ messages: [{ role: "wizard", content: "" }] }, "messages[0].role"],
    [{ messages: [{ role: "constructor", content: "" }] }, "messages[0].role"],
    [{ messages: [{ role: "user", content: [{ text: "x" }] }] }, "messages[0].content[0].type"],
    [{ messages: [{ role: "user", content: [{ type: "text", text: 7 }] }] }, "messages[0].content[0].text"],
    [{ messages: [{ role: "user", content: [{ type: "image" }] }] }, "messages[0].content[0].source"],
    [{ messages: [{ role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "%%%" } }] }] }, "messages[0].content[0].source.data"],
    [{ messages: [{ role: "user", content: [{ type: "tool_use", id: "t", name: "n", input: [] }] }] }, "messages[0].content[0].input"],
    [{ max_tokens: "many" }, "max_tokens"],
    [{ max_tokens: 1.5 }, "max_tokens"],
    [{ max_tokens: -1 }, "max_tokens"],
    [{ temperature: "hot" }, "temperature"],
    [{ stop_sequences: [1] }, "stop_sequences[0]"],
    [{ tools: [{ name: 7 }] }, "tools[0].name"],
    [{ tool_choice: { type: "most" } }, "tool_choice.type"],
    [{ tool_choice: { type: "tool" } }, "tool_choice.name"],
    [{ output_config: { effort: "toString" } }, "output_config.effort"],
    [{ output_config: { format: { type: "xml" } } }, "output_config.format.type"],
  ])("is refused with the field at fault: %j", (changes, field) => {
    expect(() => read(changes)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field })] }));
  });
});

describe("content", () => {
  const kindOf = (block: ContentBlockParam) => readBlocks(block).generation.messages[0]!.parts[0]!;

  it.each([
    [{ type: "text", text: "t", cache_control: { type: "ephemeral", ttl: "5m" } }, "text", { text: "t" }],
    [{ type: "image", source: { type: "base64", media_type: "image/png", data: "YWJj" }, cache_control: { type: "ephemeral" } }, "image", { media: { mediaType: "image/png" } }],
    [{ type: "image", source: { type: "file", file_id: "f" } }, "image", { media: { source: { case: "fileId", value: "f" } } }],
    [
      { type: "document", source: { type: "text", media_type: "text/plain", data: "abc" }, title: "t", context: "c", citations: { enabled: true } },
      "file",
      { title: "t", context: "c", citationsEnabled: true, media: { mediaType: "text/plain" } },
    ],
    [{ type: "document", source: { type: "url", url: "https://a.example" } }, "file", { media: { source: { case: "url", value: "https://a.example" }, mediaType: "application/pdf" } }],
    [{ type: "document", source: { type: "content", content: "abc" } }, "native", { dialect: "anthropic" }],
    [{ type: "tool_use", id: "t", name: "n", input: { a: 1 } }, "toolCall", { id: "t", name: "n", arguments: '{"a":1}' }],
    [{ type: "thinking", thinking: "hm", signature: "s" }, "reasoning", { text: "hm", signature: "s" }],
    [{ type: "redacted_thinking", data: "d" }, "reasoning", { redactedData: "d" }],
    [{ type: "search_result", source: "s", title: "t", content: [] }, "native", { dialect: "anthropic" }],
    [{ type: "server_tool_use", id: "s", name: "web_search", input: {} }, "native", { dialect: "anthropic" }],
  ] satisfies [ContentBlockParam, string, object][])("%j", (block, kind, value) => {
    expect(kindOf(block).kind).toMatchObject({ case: kind, value });
  });

  it("has cache markers on every kind of block", () => {
    expect(kindOf({ type: "text", text: "t", cache_control: { type: "ephemeral", ttl: "5m" } }).cacheMarker?.lifetime).toBe(CacheMarker_Lifetime.FIVE_MINUTES);
    expect(kindOf({ type: "tool_result", tool_use_id: "t", cache_control: { type: "ephemeral" } }).cacheMarker?.lifetime).toBe(CacheMarker_Lifetime.UNSPECIFIED);
    expect(kindOf({ type: "text", text: "t" }).cacheMarker).toBeUndefined();
  });

  it("splits a user's turn at its tool results, in order", () => {
    const { generation } = readBlocks(
      { type: "tool_result", tool_use_id: "1", content: "a" },
      { type: "tool_result", tool_use_id: "2", is_error: true, content: [{ type: "text", text: "b" }, { type: "image", source: { type: "url", url: "u" } }] },
      { type: "text", text: "and?" },
    );
    expect(generation.messages.map(({ role, parts }) => [role, parts.length])).toEqual([[Role.TOOL, 2], [Role.USER, 1]]);
    expect(generation.messages[0]!.parts[1]!.kind.value).toMatchObject({ toolCallId: "2", isError: true, parts: [{}, { kind: { case: "image" } }] });
  });

  it("keeps citations in full", () => {
    const citation = { type: "page_location", cited_text: "c", document_index: 0, document_title: "d", start_page_number: 1, end_page_number: 2 } as const;
    const part = kindOf({ type: "text", text: "t", citations: [citation] });
    const read = part.kind.case === "text" ? part.kind.value.citations[0] : undefined;
    expect(read).toMatchObject({ citedText: "c", title: "d", documentIndex: 0 });
    expect(JSON.parse(Buffer.from(read!.native!.json).toString())).toEqual(citation);
  });

  it("keeps blocks that only a beta knows", () => {
    const block = { type: "compaction", content: "summary", encrypted_content: null, signature: null } satisfies Partial<Extract<BetaMessage["content"][number], { type: "compaction" }>> & object;
    const part = read({ messages: [{ role: "assistant", content: [block] }] }).generation.messages[0]!.parts[0]!;
    expect(part.kind.case === "native" && JSON.parse(Buffer.from(part.kind.value.json).toString())).toEqual(block);
  });
});

describe("tools", () => {
  it.each([
    [{ name: "n", description: "d", input_schema: { type: "object" }, strict: true }, "function", { name: "n", description: "d", strict: true, parametersJsonSchema: '{"type":"object"}' }],
    [{ type: "custom", name: "n", input_schema: { type: "object" } }, "function", { name: "n" }],
    [{ type: "web_search_20250305", name: "web_search", max_uses: 3 }, "native", { dialect: "anthropic" }],
  ] satisfies [ToolUnion, string, object][])("%j", (tool, kind, value) => {
    const { generation, unknownFields } = read({ tools: [tool] });
    expect(generation.tools[0]!.kind).toMatchObject({ case: kind, value });
    expect(unknownFields).toEqual([]);
  });
});
