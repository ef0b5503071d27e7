/** Owns the proof that Anthropic's dialect and Anthropic as a vendor lose nothing between them that types know. */
import Anthropic from "@anthropic-ai/sdk";
import type { CacheControlEphemeral, ContentBlockParam, Message, MessageCreateParams, MessageParam, ToolUnion } from "@anthropic-ai/sdk/resources/messages";
import fastCheck from "fast-check";
import { expect, it } from "vitest";
import { SseSplitter } from "#platform/formats/sse.ts";
import { anthropicVendor } from "../../services/providers/edge/anthropic/anthropic-vendor.ts";
import { message, streamEvents, toBytes } from "../../services/providers/edge/anthropic/fixtures.ts";
import { AnthropicStreamReader } from "../../services/providers/edge/anthropic/stream-reader.ts";
import { readGeneration } from "../../services/routing/edge/anthropic/read-generation.ts";
import { AnthropicStreamWriter } from "../../services/routing/edge/anthropic/stream-writer.ts";
import { writeReply } from "../../services/routing/edge/anthropic/write-reply.ts";

/** A model that takes thinking in both forms, every sampling parameter but two at once, and four efforts. */
const model = "claude-opus-4-6";

const { constantFrom, constant, option, oneof, record, array, string, integer, boolean } = fastCheck;
const words = string({ minLength: 1, maxLength: 12, unit: "grapheme" });
/** Anthropic refuses blank text. */
const text = words.filter((said) => said.trim() !== "");
/** What Anthropic takes as an id of a call. */
const callId = string({ minLength: 1, maxLength: 12, unit: constantFrom(..."aZ09_-") });
const absentOr = <T>(value: fastCheck.Arbitrary<T>) => option(value, { nil: undefined });
const base64 = fastCheck.uint8Array({ minLength: 1, maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const cacheControl = absentOr(
  oneof(constant({ type: "ephemeral" }), constant({ type: "ephemeral", ttl: "5m" }), constant({ type: "ephemeral", ttl: "1h" })) as fastCheck.Arbitrary<CacheControlEphemeral>,
);
const json = fastCheck.dictionary(words.filter((name) => name !== "__proto__"), oneof(words, integer(), boolean(), constant(null)), { maxKeys: 3 });

const textBlock = record({ type: constant("text"), text, cache_control: cacheControl });
const imageBlock = record({
  type: constant("image"),
  source: oneof(
    record({ type: constant("base64"), media_type: constantFrom("image/png", "image/webp"), data: base64 }),
    record({ type: constant("url"), url: fastCheck.webUrl() }),
    record({ type: constant("file"), file_id: words }),
  ),
  cache_control: cacheControl,
});
const documentBlock = record({
  type: constant("document"),
  source: oneof(
    record({ type: constant("base64"), media_type: constant("application/pdf"), data: base64 }),
    record({ type: constant("text"), media_type: constant("text/plain"), data: words }),
    record({ type: constant("url"), url: fastCheck.webUrl() }),
    record({ type: constant("content"), content: words }),
  ),
  title: absentOr(words),
  context: absentOr(words),
  citations: constantFrom(undefined, { enabled: true }),
  cache_control: cacheControl,
});
const searchResult = record({ type: constant("search_result"), source: words, title: words, content: constant([]), cache_control: cacheControl });
const toolResult = record({
  type: constant("tool_result"),
  tool_use_id: callId,
  content: array(oneof(textBlock, imageBlock, documentBlock, searchResult), { maxLength: 3 }),
  is_error: constantFrom(undefined, true),
  cache_control: cacheControl,
});
const toolUse = record({ type: constant("tool_use"), id: callId, name: words, input: json, cache_control: cacheControl });
const thinkingBlock = record({ type: constant("thinking"), thinking: words, signature: words });
const redacted = record({ type: constant("redacted_thinking"), data: words });
const citedText = record({
  type: constant("text"),
  text,
  citations: array(
    record({ type: constant("char_location"), cited_text: words, document_index: integer({ min: 0, max: 9 }), document_title: words, start_char_index: constant(0), end_char_index: constant(3) }),
    { minLength: 1, maxLength: 2 },
  ),
});

const blocks = (...kinds: fastCheck.Arbitrary<unknown>[]) => array(oneof(...kinds), { minLength: 1, maxLength: 5 }) as fastCheck.Arbitrary<ContentBlockParam[]>;
const userTurn = blocks(textBlock, imageBlock, documentBlock, searchResult, toolResult).map((content): MessageParam => ({ role: "user", content }));
const assistantTurn = blocks(textBlock, citedText, toolUse, thinkingBlock, redacted).map((content): MessageParam => ({ role: "assistant", content }));
const tool = oneof(
  record({
    name: words,
    description: absentOr(words),
    input_schema: json.map((properties) => ({ type: "object" as const, properties, additionalProperties: false })),
    strict: absentOr(boolean()),
    cache_control: cacheControl,
  }),
  record({ type: constant("web_search_20250305"), name: constant("web_search"), max_uses: absentOr(integer({ min: 1, max: 9 })), cache_control: cacheControl }),
) as fastCheck.Arbitrary<ToolUnion>;

const thinking = oneof(
  constant({}),
  record({ thinking: record({ type: constant("enabled"), budget_tokens: integer({ min: 1024, max: 9999 }), display: constantFrom(undefined, "summarized", "omitted") }) }),
  record({ thinking: record({ type: constant("adaptive"), display: constantFrom(undefined, "summarized", "omitted") }) }),
  constant({ thinking: { type: "disabled" } }),
  record({ thinking: constant({ type: "disabled" }), output_config: record({ effort: constantFrom("low", "medium", "high", "max") }) }),
  record({ thinking: constant({ type: "adaptive" }), output_config: record({ effort: constantFrom("low", "medium", "high", "max"), format: constant({ type: "json_schema", schema: { type: "object", additionalProperties: false } }) }) }),
);

const request = fastCheck
  .tuple(
    record({
      max_tokens: integer({ min: 10_000, max: 60_000 }),
      system: absentOr(array(textBlock, { minLength: 1, maxLength: 2 })),
      messages: array(fastCheck.tuple(userTurn, assistantTurn), { minLength: 1, maxLength: 3 }).map((turns) => turns.flat()),
      tools: array(tool, { minLength: 1, maxLength: 3 }),
      tool_choice: oneof(
        constant(undefined),
        constant({ type: "none" }),
        record({ type: constantFrom("auto", "any"), disable_parallel_tool_use: absentOr(boolean()) }),
        record({ type: constant("tool"), name: words, disable_parallel_tool_use: absentOr(boolean()) }),
      ),
      stop_sequences: absentOr(array(words, { minLength: 1, maxLength: 2 })),
      metadata: absentOr(record({ user_id: words })),
      service_tier: constantFrom(undefined, "auto", "standard_only"),
    }),
    thinking,
  )
  // What is undefined is not on the wire.
  .map(([base, reasoning]) => JSON.parse(JSON.stringify({ model, ...base, messages: base.messages.map((turn) => thoughtOf(turn, reasoning)), ...reasoning })) as MessageCreateParams)
  // Anthropic refuses thinking beside a call that is forced.
  .filter(({ thinking: asked = { type: "disabled" }, tool_choice: choice }) => asked.type === "disabled" || (choice?.type !== "any" && choice?.type !== "tool"));

/** With a budget, Anthropic wants thinking at the beginning of a turn. */
function thoughtOf(turn: MessageParam, { thinking: asked }: { readonly thinking?: { readonly type: string } }): MessageParam {
  if (turn.role !== "assistant" || asked?.type !== "enabled") return turn;
  return { role: "assistant", content: [{ type: "thinking", thinking: "hm", signature: "c2ln" }, ...(turn.content as ContentBlockParam[])] };
}

it("carries every request that types know to the vendor as it was", () => {
  fastCheck.assert(
    fastCheck.property(request, (body) => {
      const { generation, unknownFields } = readGeneration({ ...body });
      const built = anthropicVendor.generate.buildRequest(generation, model, false);
      expect(JSON.parse(Buffer.from(built.body).toString())).toEqual(body);
      expect([unknownFields, built.warnings]).toEqual([[], []]);
    }),
    { numRuns: 150 },
  );
});

it("brings a whole reply back as it was", () => {
  const { response } = anthropicVendor.generate.readReply(Buffer.from(JSON.stringify(message)));
  const { inference_geo: _region, speed: _speed, ...usage } = message.usage;
  const { diagnostics: _diagnostics, ...known } = message;
  expect(writeReply(response)).toEqual({ ...known, usage });
});

it("brings a streamed reply back so that the official client puts together the same message", async () => {
  const reader = new AnthropicStreamReader();
  const writer = new AnthropicStreamWriter();
  const events = new SseSplitter().push(toBytes(streamEvents));
  const translated = events.map((event) => writer.write(reader.read(event).toEvents())).join("");
  const [direct, throughWeir] = await Promise.all([readBySdk(toBytes(streamEvents).toString()), readBySdk(translated)]);
  expect(throughWeir.content).toEqual(direct.content);
  const { inference_geo: _region, speed: _speed, service_tier: _tier, ...usage } = direct.usage;
  expect(throughWeir.usage).toMatchObject(usage);
  expect(throughWeir).toMatchObject({ id: direct.id, model: direct.model, stop_reason: direct.stop_reason, stop_sequence: null, role: "assistant" });
});

function readBySdk(stream: string): Promise<Message> {
  const client = new Anthropic({ apiKey: "k", maxRetries: 0, fetch: () => Promise.resolve(new Response(stream, { headers: { "content-type": "text/event-stream" } })) });
  return client.messages.stream({ model, max_tokens: 1, messages: [{ role: "user", content: "x" }] }).finalMessage();
}
